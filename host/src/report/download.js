"use strict";
const documents = document.getElementById("documents");
const link = document.getElementById("download");
const blob = new Blob([documents.textContent.trim() + "\n"], { type: "application/json" });
link.href = URL.createObjectURL(blob);
link.download = documents.dataset.name;
