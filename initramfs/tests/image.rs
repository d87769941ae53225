//! Images: what the kernel finds in them, and that nothing of the host gets in.

#![cfg(test)]

use lunlab_initramfs::image::{Base, GuestFile, LoadedModule, per_run_segment};
use lunlab_initramfs::modules::Module;
use lunlab_initramfs::newc::{Entry, Kind, read};

fn modules() -> Vec<LoadedModule> {
    ["virtio", "a_first"]
        .map(|name| LoadedModule { name: name.to_owned(), bytes: name.repeat(100).into_bytes() })
        .to_vec()
}

fn find<'a>(entries: &[Entry<'a>], path: &str) -> Entry<'a> {
    *entries.iter().rfind(|entry| entry.path == path.as_bytes()).expect(path)
}

#[test]
fn the_base_has_agent_modules_devices_and_mount_points() {
    let modules = modules();
    let image = Base { agent: b"agent", modules: &modules, files: &[] }.build().unwrap();
    let entries = read(&image.bytes).unwrap();
    assert_eq!(image.load_order, ["/lib/modules/virtio.ko", "/lib/modules/a_first.ko"]);
    let init = find(&entries, "init");
    assert_eq!((init.mode_string().as_str(), init.data), ("-rwxr-xr-x", &b"agent"[..]));
    for (path, module) in image.load_order.iter().zip(&modules) {
        assert_eq!(find(&entries, &path[1..]).data, module.bytes);
    }
    let console = find(&entries, "dev/console");
    assert_eq!((console.kind(), console.node_device), (Kind::CharacterDevice, (5, 1)));
    for directory in ["dev", "proc", "sys", "run", "tmp", "var", "etc"] {
        assert_eq!(find(&entries, directory).kind(), Kind::Directory);
    }
    assert_eq!(find(&entries, "tmp").mode_string(), "drwxrwxrwt");
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let build = || Base { agent: b"agent", modules: &modules(), files: &[] }.build().unwrap();
    assert_eq!(build(), build());
}

#[test]
fn two_modules_of_one_name_are_refused() {
    let modules = [&modules()[..1], &modules()[..1]].concat();
    assert!(Base { agent: b"", modules: &modules, files: &[] }.build().is_err());
}

#[test]
fn a_runs_segment_follows_the_base_and_changes_no_directory_of_it() {
    let token = GuestFile { path: "/run/lunlab/token", mode: 0o600, bytes: b"secret" };
    let script = GuestFile { path: "tmp/script", mode: 0o755, bytes: b"#!" };
    let base = Base { agent: b"agents", modules: &modules(), files: &[] }.build().unwrap();
    let mut image = base.clone();
    image.append(&per_run_segment(&[token, script]).unwrap());
    assert!(image.bytes.starts_with(&base.bytes));
    let entries = read(&image.bytes).unwrap();
    let found = find(&entries, "run/lunlab/token");
    assert_eq!((found.archive, found.offset % 4), (1, 0));
    assert_eq!((found.mode_string().as_str(), found.data), ("-rw-------", &b"secret"[..]));
    for directory in ["run", "tmp"] {
        let in_base = entries.iter().find(|entry| entry.path == directory.as_bytes()).unwrap();
        let in_segment = find(&entries, directory);
        assert_eq!((in_base.archive, in_segment.archive), (0, 1));
        assert_eq!(in_base.mode, in_segment.mode, "{directory}");
    }
    assert!(entries.iter().all(|entry| entry.archive == 0 || entry.path != b"dev"));
}

#[test]
fn bytes_that_are_no_elf_file_are_taken_as_they_are() {
    let module = Module { name: "m".to_owned(), path: "/m.ko".into(), bytes: b"signed".to_vec() };
    let loaded = LoadedModule::from(module);
    assert_eq!(
        (loaded.guest_path().as_str(), &loaded.bytes[..]),
        ("/lib/modules/m.ko", &b"signed"[..])
    );
}

#[test]
fn programs_are_there_with_the_directories_on_the_way() {
    let program = GuestFile { path: "/usr/lib/x/program", mode: 0o755, bytes: b"elf" };
    let library = GuestFile { path: "/usr/lib/y", mode: 0o755, bytes: b"so" };
    let image = Base { agent: b"agent", modules: &[], files: &[program, library] }.build().unwrap();
    let entries = read(&image.bytes).unwrap();
    let place = |path: &str| entries.iter().position(|entry| entry.path == path.as_bytes());
    let of = |path: &str| place(path).unwrap_or_else(|| panic!("{path} is missing"));
    assert!(of("usr") < of("usr/lib") && of("usr/lib") < of("usr/lib/x"));
    assert!(of("usr/lib/x") < of("usr/lib/x/program") && of("usr/lib") < of("usr/lib/y"));
    let lib = entries.iter().filter(|entry| entry.path == b"usr/lib").count();
    assert_eq!((lib, of("lib") > 0), (1, true));
}
