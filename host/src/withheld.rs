//! Variables of the environment that no other program is to have: those a spec takes secrets from.

use crate::spec::{SecretSource, Spec};
use std::process::Command;

/// Their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld(Vec<String>);

impl Withheld {
    /// Those of a spec.
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        let name = |source: &SecretSource| match source {
            SecretSource::Environment(name) => Some(name.clone()),
            SecretSource::File(_) => None,
        };
        Self(spec.secrets().into_iter().filter_map(|secret| name(secret.source())).collect())
    }

    /// Keeps them from a command.
    pub fn keep_from<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        self.0.iter().fold(command, |command, name| command.env_remove(name))
    }
}

#[cfg(test)]
mod tests {
    use super::Withheld;
    use crate::spec::{Base, Spec};
    use std::path::Path;
    use std::process::Command;

    /// Takes secrets from everywhere a spec can.
    const SPEC: &str = r#"
        [discovery]
        chap = { userid = "d", password_env = "CARGO_MANIFEST_DIR" }
        [[storage_object]]
        name = "a"
        backstore = "ramdisk"
        size = "64M"
        [[target]]
        wwn = "iqn.2024-05.org.example:one"
        [[target.tpg]]
        luns = [{ lun = 0, storage_object = "a" }]
        chap = { userid = "t", password_env = "T", mutual_userid = "m", mutual_password_env = "M" }
        demo_mode = "writable"
        [[target.tpg.acl]]
        initiator = "iqn.2024-05.org.example:host"
        chap = { userid = "a", password_env = "A" }
        [[benchmark]]
        workload = "iscsi-randread"
        chap = { userid = "t", password_env = "B", mutual_userid = "m", mutual_password_env = "C" }
    "#;

    fn withheld() -> Withheld {
        let environment = |name: &str| {
            let same = match name {
                "B" => "T",
                "C" => "M",
                name => name,
            };
            Some(format!("secret-of-some-{same}").into())
        };
        let base = Base { directory: Path::new("/"), home: None, environment };
        Withheld::of(&Spec::parse(SPEC, base).unwrap())
    }

    #[test]
    fn every_variable_that_holds_a_secret_is_known() {
        let mut names = withheld().0;
        names.sort();
        assert_eq!(names, ["A", "B", "C", "CARGO_MANIFEST_DIR", "M", "T"]);
        assert_eq!(Withheld::of(&Spec::builtin().unwrap()), Withheld::default());
    }

    #[test]
    fn a_child_has_the_environment_without_them() {
        // Those of cargo's are inherited: it sets them for its tests.
        let mut command = Command::new("/usr/bin/env");
        command.env("T", "canary").env("UNRELATED", "passes");
        let output = withheld().keep_from(&mut command).output().unwrap();
        let environment = String::from_utf8(output.stdout).unwrap();
        let has =
            |name: &str| environment.lines().any(|line| line.starts_with(&format!("{name}=")));
        assert!(has("UNRELATED") && has("CARGO_PKG_NAME"), "{environment}");
        assert!(!has("T") && !has("CARGO_MANIFEST_DIR"), "{environment}");
    }
}
