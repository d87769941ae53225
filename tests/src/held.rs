//! A target that `lunlab up` holds.

use std::net::SocketAddr;

use rustix::process::Signal;

use crate::{Finished, Running};

/// A target that `lunlab up` holds; killed when dropped.
#[derive(Debug)]
pub struct Held {
    running: Running,
    url: String,
    portal: SocketAddr,
}

impl Held {
    pub(crate) fn new(running: Running) -> Self {
        let url = running.wait_for_lines(1).swap_remove(0);
        let rest = url.strip_prefix("iscsi://").and_then(|rest| rest.split_once('/'));
        let portal = rest.and_then(|(portal, _)| portal.parse().ok());
        let portal = portal.unwrap_or_else(|| panic!("not a URL: {url}"));
        Self { running, url, portal }
    }

    /// The URL of its first LUN: `iscsi://127.0.0.1:PORT/IQN/LUN`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URLs of so many LUNs.
    ///
    /// # Panics
    /// When it does not print as many in time.
    #[must_use]
    pub fn urls(&self, luns: usize) -> Vec<String> {
        self.running.wait_for_lines(luns)
    }

    /// Where its portal is.
    #[must_use]
    pub fn portal(&self) -> SocketAddr {
        self.portal
    }

    /// Its process, output and directory.
    #[must_use]
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Ends it as its user would, by SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn stop(self) -> Finished {
        self.running.signal(Signal::TERM);
        self.finish()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn finish(self) -> Finished {
        self.running.finish()
    }
}
