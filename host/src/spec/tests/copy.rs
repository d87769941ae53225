//! The copy of a spec that means the same from anywhere.

use super::*;
use std::os::unix::fs::PermissionsExt;

const SPEC: &str = r#"# image = "disk.raw" is beside this, `Ω`
[kernel]
image  =  "./linux"   # not "debian"
cmdline = "./linux disk.raw"
[[disk]]
serial = "d"
image = 'disk.raw'
[[disk]]
serial = "home"
image = "~/home.raw"
snapshot = true
[[disk]]
serial = "scratch"
size = "1M"
[[storage_object]]
name = "disk.raw"
backstore = "ramdisk"
size = "64M"
[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk.raw" }]
chap.userid = "one.secret"
chap.password_file = "one.secret"
chap.mutual_userid = "two"
chap.mutual_password_file = """sub/../two.secret"""
"#;

#[test]
fn a_copy_has_absolute_paths_and_all_else_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let (beside, home) = (root.path().join("a \"b\\ü"), root.path().join("home"));
    let write = |path: PathBuf, text: &str, mode| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    [&home, &beside, &beside.join("sub")]
        .into_iter()
        .for_each(|path| std::fs::create_dir(path).unwrap());
    write(beside.join("disk.raw"), &"0".repeat(1 << 20), 0o600);
    write(home.join("home.raw"), &"1".repeat(1 << 20), 0o600);
    write(beside.join("one.secret"), "canary-one-00001", 0o600);
    write(beside.join("two.secret"), "canary-two-00002", 0o600);
    let base = Base { directory: &beside, home: Some(&home), environment: |_| None };
    let (spec, copy) = Spec::parse_with_copy(SPEC, base).unwrap();

    let escaped = root.path().join("a \\\"b\\\\ü");
    let here = |name: &str| format!("\"{}/{name}\"", escaped.display());
    let expected = SPEC
        .replace("image  =  \"./linux\"", &format!("image  =  {}", here("linux")))
        .replace("'disk.raw'", &here("disk.raw"))
        .replace("\"~/home.raw\"", &format!("\"{}\"", home.join("home.raw").display()))
        .replace(
            "password_file = \"one.secret\"",
            &format!("password_file = {}", here("one.secret")),
        )
        .replace("\"\"\"sub/../two.secret\"\"\"", &here("sub/../two.secret"));
    assert_eq!(copy, expected);

    let elsewhere = Base { directory: Path::new("/nowhere"), home: None, environment: |_| None };
    let (again, same) = Spec::parse_with_copy(&copy, elsewhere).unwrap();
    assert_eq!((again, same), (spec, copy));
}

#[test]
fn a_spec_without_paths_is_copied_as_it_is() {
    for text in [DEFAULT_SPEC, "", "[kernel]\nimage = \"debian\"\n", "[kernel]\r\nimage = '6.1-x'"]
    {
        assert_eq!(Spec::parse_with_copy(text, base()).unwrap().1, text);
    }
}
