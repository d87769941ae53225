//! A share of the host's Samba, mounted in the guest.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lunlab_tests::{Finished, Lunlab, kernels, write_program};
use serde_json::Value;

const SMALL: [&str; 5] = ["samples_min=2", "samples_max=2", "warm_up=0s", "budget=1s", "files=8"];

fn smb(parameters: &[&str]) -> Lunlab {
    let values = SMALL.iter().chain(parameters).flat_map(|value| ["-p", value]);
    Lunlab::command(["bench", "smb"].into_iter().chain(values)).within(Duration::from_secs(240))
}

/// Where Samba's programs are, as lunlab looks for them.
fn path() -> String {
    let path = std::env::var("PATH").unwrap();
    format!("{path}:/usr/local/sbin:/usr/sbin:/sbin:{}", kernels::cache().join("bin").display())
}

/// Puts a script in the place of one of Samba's programs; `$REAL` is where the real one is.
fn in_place_of(lunlab: Lunlab, name: &str, script: &str) -> Lunlab {
    let places = lunlab.directory().path().join("programs");
    fs::create_dir_all(&places).unwrap();
    let real = path();
    write_program(&places.join(name), &format!("#!/bin/sh\nPATH='{real}'\n{script}\n"));
    lunlab.env("PATH", format!("{}:{}", places.display(), std::env::var("PATH").unwrap()))
}

fn finding<'a>(benchmark: &'a Value, name: &str) -> &'a str {
    let text = benchmark["findings"][name].as_str();
    text.unwrap_or_else(|| panic!("no {name} in {}", benchmark["findings"]))
}

#[test]
fn every_dialect_is_the_one_that_was_asked_for_and_moves_its_bytes_over_the_wire() {
    let lunlab =
        smb(&["file_size=1M", "vers=2.1,3.0,3.1.1", "count=true"]).args(["--format", "json"]);
    // Only Samba's own program hears the password.
    let password = lunlab.directory().path().join("password.secret");
    let script = format!("tee '{}' | pdbedit \"$@\"", password.display());
    let finished = in_place_of(lunlab, "pdbedit", &script).start().leaves_nothing();
    finished.verdict("pass", 0);
    let document = finished.result();
    let benchmarks = document["benchmarks"].as_array().unwrap();
    let dialects: Vec<_> = benchmarks.iter().map(|each| finding(each, "dialect")).collect();
    assert_eq!(dialects, ["0x0210", "0x0300", "0x0311"]);
    benchmarks.iter().for_each(is_whole);
    nothing_has(&finished, &fs::read_to_string(password).unwrap());
}

fn is_whole(benchmark: &Value) {
    let counters = benchmark["counters"].as_array().unwrap();
    let switches = counters.iter().find(|each| each["name"] == "context-switches").unwrap();
    assert!(switches["region"] == "share" && switches["value"].as_u64() > Some(8), "{switches}");
    let series = benchmark["series"].as_array().unwrap();
    let names: Vec<_> = series.iter().map(|each| each["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["write", "read", "create", "stat", "list", "rename", "unlink"]);
    assert!(series.iter().all(|each| each["summary"]["median"].as_f64().unwrap() > 0.0));
    assert!(["0xfe534d42", "0xff534d42"].contains(&finding(benchmark, "statfs type")));
    let bytes = |name| finding(benchmark, name).parse::<u64>().unwrap();
    // The dialects know no smaller unit than the server's.
    let unit = bytes("statfs block size").max(1 << 20);
    let (own, host) = (bytes("statfs total"), bytes("statfs total on the host"));
    assert!(own <= host && host - own <= unit, "{own} of {host}");
    assert!((1..own).contains(&bytes("statfs free")));
    let wire: Vec<u64> =
        finding(benchmark, "wire").split(' ').filter_map(|word| word.parse().ok()).collect();
    let [came, read, went, written] = wire[..] else { panic!("{wire:?}") };
    assert!(read == 2 << 20 && (read..read * 5 / 4).contains(&came), "{wire:?}");
    assert!(written == 2 << 20 && (written..written * 5 / 4).contains(&went), "{wire:?}");
}

/// The password, which Samba was told twice.
fn nothing_has(finished: &Finished, told: &str) {
    let [first, second] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told:?}") };
    assert!(first == second && first.len() == 32, "{told:?}");
    for file in files(&finished.result_directory()) {
        let bytes = fs::read(&file).unwrap();
        let found = bytes.windows(first.len()).any(|window| window == first.as_bytes());
        assert!(!found, "{} has it", file.display());
    }
    assert!(!finished.stdout.contains(first) && !finished.stderr.contains(first));
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_server_that_is_killed_and_does_not_come_back_ends_the_run() {
    let lunlab = smb(&["file_size=16M"]);
    let lived = lunlab.directory().path().join("lived");
    // The first is killed while the guest writes; there are no others.
    let script = format!(
        r#"mkdir '{}' || exit 7
exec 3<&0
smbd "$@" <&3 3<&- &
until [ -s "${{4%/*/*}}/share/sequential" ]; do sleep 0.02; done
kill -9 $! $$"#,
        lived.display()
    );
    let finished = in_place_of(lunlab, "smbd", &script).start().leaves_nothing();
    // Either what was under way fails, or the client tries again until that was too often.
    finished.verdict("fail", 1);
    let document = finished.result();
    assert!(document["notes"].to_string().contains("SIGKILL"), "{}", document["notes"]);
    let errors = document["benchmarks"][0]["errors"].to_string();
    assert!(errors.contains("ECONNABORTED") || errors.contains("(3 times in all)"), "{errors}");
    assert!(errors.contains("smbd said: "), "{errors}");
}

#[test]
fn what_cannot_be_is_said_before_anything_boots() {
    let text = "[[benchmark]]\nworkload = \"smb\"\nblock_size = \"3K\"\nfile_size = \"8K\"\n";
    let refused = Lunlab::run().spec(text).boots_nothing().finish();
    refused.exits(2).says("add [network] with mode = \"user\"").says("file_size = \"9K\"");
    let local = smb(&[]).args(["--local"]).boots_nothing().finish();
    assert!(local.story().contains("a guest mounts a share of its host"), "{}", local.story());
}
