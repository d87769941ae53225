//! `repro.sh`: the run again.

use crate::escape;

/// What it takes to make a run again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reproduction {
    /// The `lunlab` command line, the program first, without the spec, whose copy lies beside the
    /// script. Paths must be absolute, `--kernel` above all: the script can be run from anywhere,
    /// and paths in the copy of the spec are relative to where the original was.
    pub command: Vec<String>,
    /// QEMU's command line, to be read; its sockets and images are gone with the run.
    pub qemu_argv: Vec<String>,
}

impl Reproduction {
    /// The script.
    #[must_use]
    pub fn to_script(&self, run_id: &str) -> String {
        let mut script = format!("#!/bin/sh\n# Makes run {} again.\n", comment(run_id));
        if !self.qemu_argv.is_empty() {
            script += &format!("# It ran: {}\n", comment(&shell_line(&self.qemu_argv)));
        }
        script + "exec " + &shell_line(&self.command) + " \"$(dirname -- \"$0\")/spec.toml\"\n"
    }
}

/// Words as one would type them to a shell. A NUL, which no command line can hold, is left out.
#[must_use]
pub fn shell_line(words: &[String]) -> String {
    let words = words.iter().enumerate().map(|(index, word)| {
        let bare = !word.is_empty() && word.bytes().all(|b| is_bare(b, index));
        if bare { word.clone() } else { quote(word) }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What nobody would quote. shlex does quote `=`, which QEMU's options are full of, because in the
/// first word it makes an assignment.
fn is_bare(byte: u8, index: usize) -> bool {
    byte.is_ascii_alphanumeric() || b"-_./:,@%+".contains(&byte) || (byte == b'=' && index > 0)
}

fn quote(word: &str) -> String {
    let word = word.replace('\0', "");
    shlex::try_quote(&word).map_or_else(|_| "''".to_owned(), |quoted| quoted.into_owned())
}

/// A line break in a comment would end it, and what follows would be run.
fn comment(text: &str) -> String {
    escape::terminal(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_script_reads_like_this() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        let reproduction = Reproduction {
            command: words("lunlab run --kernel /boot/vmlinuz"),
            qemu_argv: words("qemu-system-x86_64 -append panic=-1"),
        };
        assert_eq!(
            reproduction.to_script("20260102T030405678Z-0a1b2c3d"),
            "#!/bin/sh\n# Makes run 20260102T030405678Z-0a1b2c3d again.\n\
             # It ran: qemu-system-x86_64 -append panic=-1\n\
             exec lunlab run --kernel /boot/vmlinuz \"$(dirname -- \"$0\")/spec.toml\"\n"
        );
    }

    #[test]
    fn every_word_arrives_as_it_was_from_any_directory() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("a 'dir");
        std::fs::create_dir(&home).unwrap();
        let script = home.join("repro.sh");
        let nasty = ["", "a=b", "a b", "$(touch x)", "it's", "`id`", "\"", "a\nb", "~", "*", "ü"];
        let mut command = vec!["printf".to_owned(), "%s\\037".to_owned()];
        command.extend(nasty.map(str::to_owned));
        let qemu_argv = vec!["qemu".to_owned(), "\ntouch forged\n".to_owned()];
        let text = Reproduction { command, qemu_argv }.to_script("id");
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).unwrap();
        let output = Command::new("/bin/sh").arg(&script).current_dir(&home).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let spec = format!("{}/spec.toml", home.display());
        let expected: Vec<&str> = nasty.into_iter().chain([spec.as_str(), ""]).collect();
        assert_eq!(stdout.split('\u{1f}').collect::<Vec<_>>(), expected);
        assert_eq!(std::fs::read_dir(&home).unwrap().count(), 1, "nothing but the script");
    }
}
