//! What a bad spec is told of storage objects and their devices.

use super::{disk, object, refused};

#[test]
fn storage_objects_and_their_devices_are_refused_with_place_and_way_out() {
    refused(&[
        (
            object("fileio", "nullio = true"),
            r#"s.toml:5:10: storage_object[0].nullio: true is for ramdisk only, this is fileio
  hint: leave it out"#,
        ),
        (
            object("fileio", r#"mode = "direct""#),
            r#"s.toml:5:8: storage_object[0].mode: "direct" is unknown, one of buffered, write-through, async is needed
  hint: such as mode = "buffered""#,
        ),
        (
            object(
                "ramdisk",
                r#"
mode = "buffered""#,
            ),
            r#"s.toml:6:8: storage_object[0].mode: "buffered" is for fileio only, this is ramdisk
  hint: leave it out"#,
        ),
        (
            object("fileio", "read_only = true"),
            r#"s.toml:5:13: storage_object[0].read_only: true is for block only, this is fileio
  hint: leave it out"#,
        ),
        (
            object("ramdisk", r#"device = "brd""#),
            r#"s.toml:5:10: storage_object[0].device: "brd" is for block and fileio, a ramdisk has no device
  hint: backstore = "block", or leave it out"#,
        ),
        (
            object("block", ""),
            r#"s.toml:1:1: storage_object[0].device: missing, one of null_blk, brd, zram, loop, disk is needed
  hint: add device = "brd""#,
        ),
        (
            object("fileio", r#"disk = "x""#),
            r#"s.toml:5:8: storage_object[0].disk: "x" is for a device, there is none
  hint: device = "disk""#,
        ),
        (
            object("ramdisk", r#"delay = { read = "1ms" }"#),
            r#"s.toml:5:9: storage_object[0].delay: this is for a device, there is none
  hint: backstore = "block" and device = "brd" are a ramdisk with a device"#,
        ),
        (
            object("fileio", r#"flakey = { up = "1s", down = "1s" }"#),
            r#"s.toml:5:10: storage_object[0].flakey: this is for a device, there is none
  hint: device = "loop" puts a device under the file"#,
        ),
        (
            object("fileio", "device_parameters = { discard = true }"),
            r#"s.toml:5:21: storage_object[0].device_parameters: this is for a device, there is none
  hint: device = "loop" puts a device under the file"#,
        ),
        (
            object("block", r#"device = "nullblk""#),
            r#"s.toml:5:10: storage_object[0].device: "nullblk" is unknown, one of null_blk, brd, zram, loop, disk is needed
  hint: did you mean "null_blk"?"#,
        ),
        (
            object(
                "block",
                r#"device = "brd"
disk = "x""#,
            ),
            r#"s.toml:6:8: storage_object[0].disk: "x" is for device = "disk", this is brd
  hint: device = "disk", or leave it out"#,
        ),
        (
            object(
                "block",
                r#"device = "disk"
disk = "x""#,
            ),
            r#"s.toml:4:8: storage_object[0].size: "64M" is not for device = "disk", the disk has a size of its own
  hint: leave it out
s.toml:6:8: storage_object[0].disk: there is no disk "x"
  hint: add a [[disk]] of that serial"#,
        ),
        (
            r#"[[storage_object]]
name = "a"
backstore = "block"

device = "disk""#
                .to_owned(),
            r#"s.toml:1:1: storage_object[0].disk: missing, the serial of a [[disk]] is needed
  hint: add disk = "scratch0", the serial of a [[disk]]"#,
        ),
        (
            r#"[[storage_object]]
name = "a"
backstore = "block"

device = "disk"
disk = "x""#
                .to_owned(),
            r#"s.toml:6:8: storage_object[0].disk: there is no disk "x"
  hint: add a [[disk]] of that serial"#,
        ),
        (
            r#"[[disk]]
serial = "scratch0"
size = "1G"
[[storage_object]]
name = "a"
backstore = "block"

device = "disk"
disk = "scratch1""#
                .to_owned(),
            r#"s.toml:9:8: storage_object[0].disk: there is no disk "scratch1", only "scratch0"
  hint: did you mean "scratch0"?"#,
        ),
        (
            disk(
                r#"size = "1G"
read_only = true
[[storage_object]]
name = "a"
backstore = "block"

device = "disk"
disk = "d""#,
            ),
            r#"s.toml:10:8: storage_object[0].disk: "d" is read-only, block would write to it (disk[0].read_only, line 4)
  hint: backstore = "block" with read_only = true"#,
        ),
        (
            disk(
                r#"size = "1G"
[[storage_object]]
name = "a"
backstore = "block"

device = "disk"
disk = "d"
[[storage_object]]
name = "b"
backstore = "fileio"

device = "disk"
disk = "d""#,
            ),
            r#"s.toml:15:8: storage_object[1].disk: "d" is the disk of another storage object already (storage_object[0].disk, line 9)
  hint: add a [[disk]] of its own"#,
        ),
        (
            r#"[[storage_object]]
name = "a"
backstore = "block"
size = "1049088"
device = "null_blk""#
                .to_owned(),
            r#"s.toml:4:8: storage_object[0].size: 1049088 bytes is not a multiple of 1M
  hint: such as size = "64M""#,
        ),
        (
            r#"[[storage_object]]
name = "a"
backstore = "block"
size = 67109376
device = "zram""#
                .to_owned(),
            r#"s.toml:4:8: storage_object[0].size: 67109376 bytes is not a multiple of 4K
  hint: such as size = "64M""#,
        ),
        (
            object(
                "block",
                r#"device = "brd"

[[storage_object]]
name = "b"
backstore = "block"
size = "32M"
device = "brd""#,
            ),
            r#"s.toml:10:8: storage_object[1].size: 32M is not 64M, and all devices of brd have the same size (storage_object[0].size, line 4)
  hint: device = "zram""#,
        ),
        (
            object(
                "block",
                r#"device = "null_blk"
device_parameters = { memory_bakced = true }"#,
            ),
            r#"s.toml:6:23: storage_object[0].device_parameters.memory_bakced: unknown key, known here: memory_backed, blocksize, queue_mode, submit_queues, irqmode, completion_nsec, hw_queue_depth, max_sectors, blocking, discard, mbps, cache_size, no_sched
  hint: did you mean "memory_backed"?"#,
        ),
        (
            object(
                "block",
                r#"device = "brd"
device_parameters = { x = 1 }"#,
            ),
            r#"s.toml:6:23: storage_object[0].device_parameters.x: unknown key, brd takes none
  hint: leave it out"#,
        ),
        (
            object(
                "block",
                r#"device = "loop"
device_parameters = { zzzzzzzz = 1 }"#,
            ),
            r#"s.toml:6:23: storage_object[0].device_parameters.zzzzzzzz: unknown key, known here: direct_io, block_size
  hint: leave it out"#,
        ),
        (
            object(
                "block",
                r#"device = "null_blk"
device_parameters = { irqmode = 3 }"#,
            ),
            r#"s.toml:6:33: storage_object[0].device_parameters.irqmode: 3 is not 0, 1 or 2
  hint: leave it out for the kernel's own"#,
        ),
        (
            object(
                "block",
                r#"device = "null_blk"
device_parameters = { blocksize = 513 }"#,
            ),
            r#"s.toml:6:35: storage_object[0].device_parameters.blocksize: 513 is not 512, 1024, 2048 or 4096
  hint: leave it out for the kernel's own"#,
        ),
        (
            object(
                "block",
                r#"device = "null_blk"
device_parameters = { discard = true }"#,
            ),
            r#"s.toml:6:33: storage_object[0].device_parameters.discard: 1 is ignored by a null_blk that is not memory_backed
  hint: memory_backed = true"#,
        ),
        (
            object(
                "block",
                r#"device = "null_blk"
device_parameters = [1]"#,
            ),
            r#"s.toml:6:21: storage_object[0].device_parameters: this is a list, a table of names and values is needed
  hint: such as device_parameters = { memory_backed = true }"#,
        ),
        (
            object(
                "block",
                r#"device = "null_blk"
device_parameters = { mbps = 1.5 }"#,
            ),
            r#"s.toml:6:30: storage_object[0].device_parameters.mbps: 1.5 is a float, true or false, a whole number or a string is needed
  hint: such as device_parameters = { memory_backed = true }"#,
        ),
        (
            object(
                "block",
                r#"device = "zram"
device_parameters = { comp_algorithm = "a b" }"#,
            ),
            r#"s.toml:6:40: storage_object[0].device_parameters.comp_algorithm: "a b" is not an algorithm, those are such as lzo-rle and zstd
  hint: such as comp_algorithm = "zstd""#,
        ),
        (
            object(
                "block",
                r#"device = "brd"
delay = {}"#,
            ),
            r#"s.toml:6:9: storage_object[0].delay.read: missing, read, write or both, such as read = "10ms", is needed
  hint: add read = "10ms""#,
        ),
        (
            object(
                "block",
                r#"device = "brd"
delay = { read = "2m" }"#,
            ),
            r#"s.toml:6:18: storage_object[0].delay.read: 2m is out of range, 0ms to 1m is allowed
  hint: such as read = "10ms""#,
        ),
        (
            object(
                "block",
                r#"device = "brd"
delay = { read = 5 }"#,
            ),
            r#"s.toml:6:18: storage_object[0].delay.read: 5 has no unit, a duration is a whole number of ms, s, m or h
  hint: did you mean "5s"?"#,
        ),
        (
            object(
                "block",
                r#"device = "brd"
flakey = { up = "10s" }"#,
            ),
            r#"s.toml:6:10: storage_object[0].flakey.down: missing, a duration such as "1s" is needed
  hint: add down = "1s""#,
        ),
        (
            object(
                "block",
                r#"device = "brd"
flakey = { up = "1500ms", down = "0s" }"#,
            ),
            r#"s.toml:6:17: storage_object[0].flakey.up: 1500ms is not in whole seconds
  hint: such as up = "10s"
s.toml:6:34: storage_object[0].flakey.down: 0ms is out of range, 1s to 1h is allowed
  hint: such as down = "1s""#,
        ),
        (
            object(
                "block",
                r#"device = "brd"
flakey = { up = "1s", down = "1s", drop_writes = true, error_writes = true }"#,
            ),
            r#"s.toml:6:50: storage_object[0].flakey.drop_writes: true, and error_writes as well: writes are dropped or fail, one of the two
  hint: leave one of them out"#,
        ),
        (
            object("fileio", r#"serial = "xyz""#),
            r#"s.toml:5:10: storage_object[0].serial: unit serial "xyz": has no hexadecimal digit, which would give the same identifier to every device
  hint: a UUID is a good serial"#,
        ),
        (
            object("fileio", r#"serial = """#),
            r#"s.toml:5:10: storage_object[0].serial: unit serial "": is empty
  hint: a UUID is a good serial"#,
        ),
        (
            object("fileio", r#"serial = "a b""#),
            r#"s.toml:5:10: storage_object[0].serial: unit serial "a b": has a character that is not printable ASCII
  hint: a UUID is a good serial"#,
        ),
        (
            object(
                "fileio",
                r#"serial = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa""#,
            ),
            r#"s.toml:5:10: storage_object[0].serial: unit serial "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"…: is 253 bytes, limit 252
  hint: a UUID is a good serial"#,
        ),
        (
            object("fileio", r#"serial = "zürich""#),
            r#"s.toml:5:10: storage_object[0].serial: unit serial "zürich": has a character that is not printable ASCII
  hint: a UUID is a good serial"#,
        ),
        (
            object(
                "fileio",
                r#"serial = "5eca2313-028d-435c-9131-53a5ab256a83"
[[storage_object]]
name = "b"
backstore = "fileio"
size = "64M"
serial = "5ECA2313028D435C913153A5Affffff""#,
            ),
            r#"s.toml:10:10: storage_object[1].serial: the first 25 hexadecimal digits of "5ECA2313028D435C913153A5Affffff", 5eca2313028d435c913153a5a, are those of another, and initiators see no more (storage_object[0].serial, line 5)
  hint: take a UUID, or leave it out and one is drawn"#,
        ),
        (
            object("fileio", r#"vendor = "LIO-ORG-X""#),
            r#"s.toml:5:10: storage_object[0].vendor: INQUIRY text "LIO-ORG-X": is 9 bytes, limit 8
  hint: such as vendor = "LIO-ORG""#,
        ),
        (
            object("fileio", r#"product = "seventeen letters""#),
            r#"s.toml:5:11: storage_object[0].product: INQUIRY text "seventeen letters": is 17 bytes, limit 16
  hint: such as product = "test disk""#,
        ),
        (
            object("fileio", r#"revision = "12345""#),
            r#"s.toml:5:12: storage_object[0].revision: INQUIRY text "12345": is 5 bytes, limit 4
  hint: such as revision = "1.0""#,
        ),
        (
            object("fileio", r#"vendor = "a\tb""#),
            r#"s.toml:5:10: storage_object[0].vendor: INQUIRY text "a\tb": has a character that is not printable ASCII
  hint: such as vendor = "LIO-ORG""#,
        ),
        (
            object("fileio", r#"vendor = """#),
            r#"s.toml:5:10: storage_object[0].vendor: INQUIRY text "": is empty
  hint: such as vendor = "LIO-ORG""#,
        ),
        (
            r#"[[storage_object]]
name = "hba_info"
backstore = "fileio"
size = "64M""#
                .to_owned(),
            r#"s.toml:2:8: storage_object[0].name: storage object name "hba_info": is taken
  hint: such as name = "disk0""#,
        ),
        (
            r#"[[storage_object]]
name = "a/b"
backstore = "fileio"
size = "64M""#
                .to_owned(),
            r#"s.toml:2:8: storage_object[0].name: storage object name "a/b": has a character beyond A-Z a-z 0-9 . _ -
  hint: such as name = "disk0""#,
        ),
        (
            r#"[[storage_object]]
name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
backstore = "fileio"
size = "64M""#
                .to_owned(),
            r#"s.toml:2:8: storage_object[0].name: storage object name "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": is 33 bytes, limit 32
  hint: such as name = "disk0""#,
        ),
        (
            r#"[[storage_object]]
name = "a"
backstore = "fileio"
size = 0"#
                .to_owned(),
            r#"s.toml:4:8: storage_object[0].size: 0 is out of range, 1M to 16T is allowed
  hint: such as size = "64M""#,
        ),
        (
            r#"[[storage_object]]
name = "a"
backstore = "ramdisk"
size = "16T"

nullio = true"#
                .to_owned(),
            r#"s.toml:4:8: storage_object[0].size: 16T is out of range, 1M to 8589934588K is allowed
  hint: such as size = "64M""#,
        ),
        (
            r#"[machine]
memory = "256M"
[[storage_object]]
name = "a"
backstore = "block"
size = "512M"
device = "brd""#
                .to_owned(),
            r#"s.toml:2:10: machine.memory: 256M of memory is too little for ramdisk, brd and memory-backed null_blk of 512M in all, 656M is needed
  hint: fileio, loop and zram take memory only for what is written, and can be bounded"#,
        ),
    ]);
}
