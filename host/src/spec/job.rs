//! Job files of fio's, judged before anything boots.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use lunlab_bench::fio::{JOB, OPTIONS, first_words};

/// How long fio may take to read a job; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that is heard of fio.
const WORDS: u64 = 64 << 10;

/// What fio's options are called beside the names they have in [`OPTIONS`] (fio's options.c).
const ALIASES: [(&str, &str); 6] = [
    ("readwrite", "rw"),
    ("rwmixwrite", "rwmixread"),
    ("blocksize", "bs"),
    ("bsrange", "bs"),
    ("blocksize_range", "bs"),
    ("bssplit", "bs"),
];

/// What is wrong with a job, and what helps. Nothing is read or written for it but by fio, of the job itself: it is
/// asked to parse and no more.
pub(super) fn fault(bytes: &[u8]) -> Option<(String, &'static str)> {
    let text = match std::str::from_utf8(bytes) {
        _ if bytes.len() > JOB => {
            return Some((format!("it has more than {JOB} bytes"), "name a job file of fio's"));
        }
        Ok(text) if !text.contains('\0') => text,
        _ => return Some(("it is not text".to_owned(), "name a job file of fio's")),
    };
    if !sections(text).any(|name| name != "global") {
        let hint = "add a section of any name, such as [job]";
        return Some(("it has no job, a section beside [global] is needed".to_owned(), hint));
    }
    let words = refusal(text)?;
    Some((format!("fio refuses it: {words}"), "see `fio --parse-only` and fio(1)"))
}

/// The parameters that a job gives itself, so that ours do not hold.
pub(super) fn overruled(text: &str) -> Vec<&'static str> {
    let names = lines(text).filter_map(|line| line.split('=').next().map(str::trim));
    let names: Vec<&str> = names
        .map(|name| ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |found| found.1))
        .collect();
    let overruled = OPTIONS.iter().filter(|(option, _)| names.contains(option));
    overruled.map(|(_, key)| *key).collect()
}

/// Lines that are no comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']))
}

fn sections(text: &str) -> impl Iterator<Item = &str> {
    lines(text).filter_map(|line| Some(line.strip_prefix('[')?.split_once(']')?.0))
}

/// What fio says of a job it does not take. Nothing where it takes it, where there is no fio, which is told before the
/// boot, and where it says nothing in time.
fn refusal(job: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program: PathBuf =
        std::env::split_paths(&path).map(|at| at.join("fio")).find(|program| program.is_file())?;
    // Its environment is in the guest as bare; secrets are kept from it.
    let mut child = Command::new(program)
        .args(["--parse-only", "-"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let (mut input, output) = (child.stdin.take()?, child.stderr.take()?);
    let text = format!("[global]\nfilename=/dev/null\n{job}");
    std::thread::spawn(move || {
        // One that reads no more has ended, and its end tells.
        let _gone = input.write_all(text.as_bytes());
    });
    let (told, heard) = channel();
    std::thread::spawn(move || {
        let mut words = Vec::new();
        let _cut_short = output.take(WORDS).read_to_end(&mut words);
        let _nobody_waits = told.send(words);
    });
    let words = heard.recv_timeout(PATIENCE);
    if words.is_err() {
        // It may have ended just now.
        let _gone = child.kill();
    }
    let status = child.wait().ok()?;
    let words = first_words(&String::from_utf8_lossy(&words.ok()?));
    (!status.success()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_refused_in_fios_words_and_nothing_of_it_is_done() {
        let place = tempfile::tempdir().unwrap();
        let touched = place.path().join("touched");
        let runs = format!("[a]\nexec_prerun=touch {}\n", touched.display());
        for (job, expected) in [
            ("[a]\nrw=randwrite\nbs=16k\niodepth=2\n", None),
            (&runs, None),
            ("[a]\nno_such_option=1\n", Some("fio refuses it: Bad option <no_such_option=1>")),
            ("[a]\nrw=upside\n", Some("fio refuses it: fio: failed parsing rw=upside")),
            ("", Some("it has no job")),
            ("; [a]\n[global]\nbs=4k\n", Some("it has no job")),
            ("[a]\0", Some("it is not text")),
        ] {
            let told = fault(job.as_bytes()).map(|(message, _)| message);
            match expected {
                Some(expected) => {
                    let told = told.unwrap();
                    assert!(told.starts_with(expected) && !told.contains('\n'), "{told}");
                }
                None => assert_eq!(told, None, "{job}"),
            }
        }
        assert!(fault(&[0xff, 0xfe]).is_some() && fault(&vec![b'#'; JOB + 1]).is_some());
        assert!(!touched.exists());
    }

    #[test]
    fn what_a_job_says_itself_overrules() {
        let job = "[a]\n bs = 16k\niodepth=2\n#ioengine=sync\nreadwrite=randwrite\nnumjobs=2\n";
        assert_eq!(overruled(job), ["rw", "block_size", "queue_depth"]);
        assert!(overruled("[a]\n").is_empty());
    }
}
