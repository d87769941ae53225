//! What a bad spec is told of credentials.

use super::{exported, refused};

#[test]
fn credentials_are_refused_with_place_and_way_out() {
    refused(&[
        (
            exported(r#"chap = { userid = "u", password = "canary-canary" }"#),
            r#"s.toml:9:35: target[0].tpg[0].chap.password: a secret does not belong in a spec, which is copied into results
  hint: password_file = "FILE" or password_env = "VARIABLE""#,
        ),
        (
            exported(r#"chap = { userid = "u", passwd = "canary-canary" }"#),
            r#"s.toml:9:8: target[0].tpg[0].chap.password_file: missing, a file with the secret, or password_env, is needed
  hint: add password_file = "secret", a file of mode 0600
s.toml:9:24: target[0].tpg[0].chap.passwd: unknown key, known here: userid, password_file, password_env, mutual_userid, mutual_password_file, mutual_password_env
  hint: did you mean "password_env"?"#,
        ),
        (
            exported(r#"chap = "u:canary-canary""#),
            r#"s.toml:9:8: target[0].tpg[0].chap: this is a string, one table [target.tpg.chap] is needed
  hint: such as chap = { userid = "tester", password_env = "SECRET" }"#,
        ),
        (
            exported(r#"chap = { userid = "u", password_file = ["canary-canary"] }"#),
            r#"s.toml:9:40: target[0].tpg[0].chap.password_file: this is a list, a string is needed
  hint: such as password_file = "secret", a file of mode 0600"#,
        ),
        (
            exported(r#"chap = { userid = "u", password_env = "canary-canary!" }"#),
            r#"s.toml:9:39: target[0].tpg[0].chap.password_env: this is not the name of a variable, 1 to 64 of A-Z, a-z, 0-9 and `_` are
  hint: password_env = "SECRET", and export SECRET before lunlab is started"#,
        ),
        (
            exported(r#"chap = { userid = "u" }"#),
            r#"s.toml:9:8: target[0].tpg[0].chap.password_file: missing, a file with the secret, or password_env, is needed
  hint: add password_file = "secret", a file of mode 0600"#,
        ),
        (
            exported(r#"chap = { password_env = "GOOD" }"#),
            r#"s.toml:9:8: target[0].tpg[0].chap.userid: missing, a name that goes with the secret is needed
  hint: add userid = "tester""#,
        ),
        (
            exported(r#"chap = { userid = "u", password_env = "UNSET" }"#),
            r#"s.toml:9:39: target[0].tpg[0].chap.password_env: the variable UNSET of the environment is not set
  hint: export UNSET before lunlab is started"#,
        ),
        (
            exported(r#"chap = { userid = "u", password_env = "SHORT" }"#),
            r#"s.toml:9:39: target[0].tpg[0].chap.password_env: the secret of "u" has 11 bytes, 12 to 255 are needed
  hint: openssl rand -hex 16 makes a good one"#,
        ),
        (
            exported(r#"chap = { userid = "u", password_env = "LONG" }"#),
            r#"s.toml:9:39: target[0].tpg[0].chap.password_env: the secret of "u" has 259 bytes, 12 to 255 are needed
  hint: openssl rand -hex 16 makes a good one"#,
        ),
        (
            exported(r#"chap = { userid = "u", password_env = "BLANK" }"#),
            r#"s.toml:9:39: target[0].tpg[0].chap.password_env: the secret of "u" has a blank, or a character that is not printable ASCII
  hint: openssl rand -hex 16 makes a good one"#,
        ),
        (
            exported(r#"chap = { userid = "u", password_env = "NEWLINE" }"#),
            r#"s.toml:9:39: target[0].tpg[0].chap.password_env: the secret of "u" has a blank, or a character that is not printable ASCII
  hint: openssl rand -hex 16 makes a good one"#,
        ),
        (
            exported(r#"chap = { userid = "u", password_env = "NULLED" }"#),
            r#"s.toml:9:39: target[0].tpg[0].chap.password_env: the secret of "u" begins with NULL, which LIO takes for none
  hint: openssl rand -hex 16 makes a good one"#,
        ),
        (
            exported(r#"chap = { userid = "a b", password_env = "GOOD" }"#),
            r#"s.toml:9:19: target[0].tpg[0].chap.userid: "a b" has a blank, or a character that is not printable ASCII
  hint: such as userid = "tester""#,
        ),
        (
            exported(r#"chap = { userid = "", password_env = "GOOD" }"#),
            r#"s.toml:9:19: target[0].tpg[0].chap.userid: "" has 0 bytes, 1 to 223 are needed
  hint: such as userid = "tester""#,
        ),
        (
            exported(
                r#"chap = { userid = "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu", password_env = "GOOD" }"#,
            ),
            r#"s.toml:9:19: target[0].tpg[0].chap.userid: "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"… has 224 bytes, 1 to 223 are needed
  hint: such as userid = "tester""#,
        ),
        (
            exported(r#"chap = { userid = "NULL", password_env = "GOOD" }"#),
            r#"s.toml:9:19: target[0].tpg[0].chap.userid: "NULL" begins with NULL, which LIO takes for none
  hint: such as userid = "tester""#,
        ),
        (
            exported(r#"chap = { userid = "u", password_env = "GOOD", mutual_userid = "m" }"#),
            r#"s.toml:9:8: target[0].tpg[0].chap.mutual_password_file: missing, a file with the secret, or mutual_password_env, is needed
  hint: add mutual_password_file = "secret2", a file of mode 0600"#,
        ),
        (
            exported(
                r#"chap = { userid = "u", password_env = "GOOD", mutual_password_env = "OTHER" }"#,
            ),
            r#"s.toml:9:8: target[0].tpg[0].chap.mutual_userid: missing, a name that goes with the secret is needed
  hint: add mutual_userid = "target""#,
        ),
        (
            exported(
                r#"chap = { userid = "u", password_env = "GOOD", mutual_userid = "m", mutual_password_env = "SAME" }"#,
            ),
            r#"s.toml:9:90: target[0].tpg[0].chap.mutual_password_env: the secrets of "u" and "m" are the same, which initiators refuse (target[0].tpg[0].chap.password_env, line 9)
  hint: openssl rand -hex 16 makes another"#,
        ),
        (
            exported(
                r#"chap = { userid = "u", password_env = "GOOD", mutual_userid = "m", mutual_password = "canary-canary" }"#,
            ),
            r#"s.toml:9:86: target[0].tpg[0].chap.mutual_password: a secret does not belong in a spec, which is copied into results
  hint: mutual_password_file = "FILE" or mutual_password_env = "VARIABLE""#,
        ),
        (
            exported(r#"chap = { userid = "u", password_env = "GOOD", password_file = "f" }"#),
            r#"s.toml:9:39: target[0].tpg[0].chap.password_env: the secret comes from password_file already, one of the two is needed
  hint: leave one of them out
s.toml:9:63: target[0].tpg[0].chap.password_file: "/specs/f" cannot be read: ENOENT
  hint: umask 077; openssl rand -hex 16 > /specs/f"#,
        ),
        (
            "[discovery]".to_owned(),
            r#"s.toml:1:1: discovery.chap: missing, { userid = "u", password_file = "f" } is needed
  hint: add chap = { userid = "tester", password_env = "SECRET" }"#,
        ),
        (
            r#"[discovery]
chap = { userid = "u", password_env = "SHORT" }"#
                .to_owned(),
            r#"s.toml:2:39: discovery.chap.password_env: the secret of "u" has 11 bytes, 12 to 255 are needed
  hint: openssl rand -hex 16 makes a good one"#,
        ),
        (
            exported("attributes = { authentication = true }"),
            r#"s.toml:9:33: target[0].tpg[0].attributes.authentication: 1 lets nobody without an ACL log in, authentication is on and the TPG has no chap
  hint: give the TPG chap = { … }, or demo_mode = "off""#,
        ),
        (
            exported(
                r#"demo_mode = "writable"
[[target.tpg.acl]]
initiator = "iqn.2024-05.org"
chap = { userid = "u", password_env = "GOOD" }"#,
            ),
            r#"s.toml:9:13: target[0].tpg[0].demo_mode: writable lets nobody without an ACL log in, authentication is on and the TPG has no chap
  hint: give the TPG chap = { … }, or demo_mode = "off""#,
        ),
        (
            exported(
                r#"chap = { userid = "u", password_env = "GOOD" }
[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host""#,
            ),
            r#"s.toml:10:1: target[0].tpg[0].acl[0].chap: missing, authentication is on and "iqn.2024-05.org.example:host" could not log in
  hint: give it chap = { … }, or attributes = { authentication = 0 }"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
attributes = { authentication = 1 }"#,
            ),
            r#"s.toml:9:1: target[0].tpg[0].acl[0].chap: missing, authentication is on and "iqn.2024-05.org.example:host" could not log in
  hint: give it chap = { … }, or attributes = { authentication = 0 }"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org:a"
chap = { userid = "u", password_env = "GOOD" }
[[target.tpg.acl]]
initiator = "iqn.2024-05.org:b""#,
            ),
            r#"s.toml:12:1: target[0].tpg[0].acl[1].chap: missing, authentication is on and "iqn.2024-05.org:b" could not log in
  hint: give it chap = { … }, or attributes = { authentication = 0 }"#,
        ),
    ]);
}
