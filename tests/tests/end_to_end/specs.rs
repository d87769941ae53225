//! Specs that several tests use.

/// A target and nothing to measure.
pub(crate) const SHORT: &str = r#"
[[storage_object]]
name = "disk0"
backstore = "fileio"
size = "16M"
[[target]]
wwn = "iqn.2015-04.org.example:short"
[[target.tpg]]
tag = 1
luns = [{ lun = 0, storage_object = "disk0" }]
"#;

/// Two LUNs, one of each backstore; their numbers have a gap.
pub(crate) const TWO_LUNS: &str = r#"
[[storage_object]]
name = "memory"
backstore = "ramdisk"
size = "8M"
[[storage_object]]
name = "file"
backstore = "fileio"
size = "24M"
[[target]]
wwn = "iqn.2015-04.org.example:two"
[[target.tpg]]
tag = 1
luns = [{ lun = 0, storage_object = "memory" }, { lun = 5, storage_object = "file" }]
"#;

/// [`SHORT`] with a random read of so many seconds and what must hold of it.
pub(crate) fn measured(seconds: u32, check: &str) -> String {
    let benchmark = "[[benchmark]]\nworkload = \"iscsi-randread\"";
    format!("{SHORT}{benchmark}\nseconds = {seconds}\ncheck = [{check:?}]\n")
}
