//! Headless Chromium, driven over a pipe (the Chrome DevTools Protocol: JSON, a NUL after each
//! message; descriptors 3 and 4 of `--remote-debugging-pipe`).

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use command_fds::{CommandFdExt, FdMapping};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{DEADLINE, tools};

/// Nothing that Chromium does of its own accord: no network, no sandbox that root cannot have.
const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    "about:blank",
];

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The window's width in pixels.
    pub width: u32,
    /// `light` or `dark`.
    pub scheme: &'static str,
    /// `screen` or `print`.
    pub medium: &'static str,
}

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    chromium: Child,
    requests: PipeWriter,
    answers: PipeReader,
    unread: Vec<u8>,
    session: Option<String>,
    calls: u64,
    events: Vec<Value>,
    deadline: Instant,
    profile: TempDir,
}

impl Browser {
    /// Starts Chromium with an empty profile.
    ///
    /// # Panics
    /// When it is not there, or does not answer in time.
    #[must_use]
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("make a profile");
        let (theirs_in, requests) = std::io::pipe().expect("a pipe");
        let (answers, theirs_out) = std::io::pipe().expect("a pipe");
        let log = File::create(profile.path().join("log")).expect("make a log");
        let mut command = tools::command("chromium");
        let data = format!("--user-data-dir={}", profile.path().join("data").display());
        quiet(command.arg(data).args(ARGUMENTS).stderr(log))
            .fd_mappings(vec![
                FdMapping { parent_fd: theirs_in.into(), child_fd: 3 },
                FdMapping { parent_fd: theirs_out.into(), child_fd: 4 },
            ])
            .expect("two descriptors");
        let chromium = command.spawn().expect("start chromium");
        drop(command);
        let mut browser = Self {
            chromium,
            requests,
            answers,
            unread: Vec::new(),
            session: None,
            calls: 0,
            events: Vec::new(),
            deadline: Instant::now() + DEADLINE,
            profile,
        };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let page = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", attach);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Opens a file; gives what went wrong in it: errors of scripts, what its policy forbade, and
    /// everything it asked a network for.
    ///
    /// # Panics
    /// When it is not loaded in time.
    pub fn open(&mut self, file: &Path, view: View) -> Vec<String> {
        self.deadline = Instant::now() + DEADLINE;
        let scheme = json!([{"name": "prefers-color-scheme", "value": view.scheme}]);
        let media = json!({"media": view.medium, "features": scheme});
        self.call("Emulation.setEmulatedMedia", media);
        let metrics =
            json!({"width": view.width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        self.events.clear();
        let url = format!("file://{}", file.display());
        self.call("Page.navigate", json!({"url": url}));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let message = self.message();
            self.events.push(message);
        }
        // A call after the load: what its scripts caused has been told by the time of the answer.
        self.evaluate("document.readyState");
        self.events.iter().filter_map(complaint).collect()
    }

    /// The value of an expression in the page.
    ///
    /// # Panics
    /// When it throws.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true});
        let mut evaluated = self.call("Runtime.evaluate", parameters);
        assert!(evaluated.get("exceptionDetails").is_none(), "{evaluated}");
        evaluated["result"]["value"].take()
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut request = json!({"id": self.calls, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            request["sessionId"] = session.as_str().into();
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests.write_all(&bytes).unwrap_or_else(|error| panic!("{method}: {error}"));
        loop {
            let mut message = self.message();
            if message["id"] == self.calls {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    fn message(&mut self) -> Value {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == 0) {
                let rest = self.unread.split_off(end + 1);
                let message = std::mem::replace(&mut self.unread, rest);
                return serde_json::from_slice(&message[..end]).expect("chromium writes JSON");
            }
            self.wait();
            let mut chunk = [0; 65536];
            let count = self.answers.read(&mut chunk).expect("read from chromium");
            assert!(count > 0, "chromium ended: {}", self.log());
            self.unread.extend_from_slice(&chunk[..count]);
        }
    }

    fn wait(&self) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a short time");
        let mut readable = [PollFd::new(&self.answers, PollFlags::IN)];
        let ready = poll(&mut readable, Some(&left)).expect("poll");
        assert!(ready > 0, "chromium said nothing in {DEADLINE:?}: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.profile.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its helpers end with it: their channels to it close.
        let _gone = self.chromium.kill();
        let _reaped = self.chromium.wait();
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null())
}

/// What an event says is wrong.
fn complaint(event: &Value) -> Option<String> {
    let parameters = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => {
            Some(format!("script error: {}", parameters["exceptionDetails"]))
        }
        "Log.entryAdded" if parameters["entry"]["level"] == "error" => {
            Some(format!("error: {}", parameters["entry"]["text"]))
        }
        "Network.requestWillBeSent" => {
            let url = parameters["request"]["url"].as_str()?;
            let inside = ["file:", "blob:", "data:"].iter().any(|kind| url.starts_with(kind));
            (!inside).then(|| format!("network: {url}"))
        }
        _ => None,
    }
}
