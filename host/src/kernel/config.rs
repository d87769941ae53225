//! A kernel's configuration, as kbuild writes it: `CONFIG_NAME=value`, absent meaning off.

use std::collections::HashMap;
use std::path::PathBuf;

/// How a feature of the kernel was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// `=y`
    BuiltIn,
    /// `=m`
    Module,
    /// Absent, or `is not set`.
    Off,
}

/// Where a configuration was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// Inside the kernel itself (`CONFIG_IKCONFIG`).
    Embedded,
}

/// A parsed configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelConfig {
    /// Where it was found.
    pub origin: Origin,
    tristates: HashMap<String, Setting>,
}

impl KernelConfig {
    /// Takes what is on or a module from the text; strings and numbers are passed over.
    #[must_use]
    pub fn parse(text: &str, origin: Origin) -> Self {
        let tristates = text.lines().filter_map(parse_line).collect();
        Self { origin, tristates }
    }

    /// The setting of `symbol`, with its `CONFIG_` in front.
    #[must_use]
    pub fn setting(&self, symbol: &str) -> Setting {
        self.tristates.get(symbol).copied().unwrap_or(Setting::Off)
    }
}

fn parse_line(line: &str) -> Option<(String, Setting)> {
    let (symbol, value) = line.trim_end().split_once('=')?;
    let setting = match value {
        "y" => Setting::BuiltIn,
        "m" => Setting::Module,
        _ => return None,
    };
    symbol.starts_with("CONFIG_").then(|| (symbol.to_owned(), setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_module_and_off_are_told_apart() {
        let text = "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=m\nCONFIG_D=\"y\"\n#CONFIG_E=y\n";
        let config = KernelConfig::parse(text, Origin::Embedded);
        let settings =
            ["A", "B", "C", "D", "E"].map(|name| config.setting(&format!("CONFIG_{name}")));
        use Setting::{BuiltIn, Module, Off};
        assert_eq!(settings, [Off, BuiltIn, Module, Off, Off]);
    }
}
