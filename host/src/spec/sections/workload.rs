//! `[[benchmark]]` of a declared workload, and sweeps.

use lunlab_bench::fio;
use lunlab_bench::workload::{Kind, Parameter, Values};
use std::fmt::Display;
use std::time::Duration;

use super::benchmark::{read_checks, read_login};
use super::keys::LOGIN;
use crate::digest::Digest;
use crate::spec::job;
use crate::spec::quantity::{format_duration, format_size};
use crate::spec::reader::{Reader, Section};
use crate::spec::workload::{Known, default_of, logs_in, metrics};
use crate::spec::{Base, Login, Measured};

/// The most benchmarks that the lists of one table may make together.
pub(super) const SWEEP: usize = 1000;

pub(super) fn read(
    section: &Section<'_>,
    known: &'static Known,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Measured {
    let mut values = Vec::new();
    let mut unread = false;
    for parameter in known.workload.all_parameters() {
        let given = section.has(parameter.name);
        if parameter.is_needed() && !given {
            section.missing(parameter.name, &form(parameter), reader);
        }
        let read = if given { read_all(section, parameter, base, reader) } else { None };
        unread |= given && read.is_none();
        let value = read.unwrap_or_else(|| default_of(parameter));
        values.push((parameter.name.to_owned(), value));
    }
    if !section.has("samples_min") {
        lower_the_least(&mut values);
    }
    let login = match logs_in(known.workload) {
        true => read_login(section, base, reader),
        false => Login::default(),
    };
    let metrics = metrics(known.workload, &values);
    let checks = read_checks(section, &metrics, !unread, reader);
    let overruled = judge_job(section, known, &values, reader);
    let (workload, contents) = (known.workload.name, Vec::new());
    let mut asked = Measured { workload, values, contents, login, checks, overruled };
    asked.contents = asked.files().filter_map(digest).collect();
    asked
}

/// Where only the greatest number of samples was said, the least is no more than that.
fn lower_the_least(values: &mut [(String, String)]) {
    let of = |name: &str| values.iter().find(|(key, _)| key == name)?.1.parse::<u64>().ok();
    let Some(most) = of("samples_max") else { return };
    if let Some((_, least)) = values.iter_mut().find(|(key, _)| key == "samples_min")
        && least.parse::<u64>().is_ok_and(|least| least > most)
    {
        *least = most.to_string();
    }
}

/// The parameters that make a sweep where they have a list.
pub(super) fn swept(known: &Known) -> Vec<&'static str> {
    let single = known.workload.all_parameters().filter(|parameter| !parameter.many);
    let login = logs_in(known.workload).then_some(LOGIN).into_iter().flatten().copied();
    single.map(|parameter| parameter.name).chain(login).collect()
}

/// One value, or for those that take several all of a list.
fn read_all(
    section: &Section<'_>,
    parameter: &Parameter,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Option<String> {
    if !parameter.many {
        return read_one(section, parameter, base, reader);
    }
    let mut values = Vec::new();
    for table in section.sweep(&[parameter.name], SWEEP, reader) {
        let value = read_one(&section.over(&table), parameter, base, reader)?;
        if values.contains(&value) {
            // What has one name would be one series.
            let message = format!("{value} is there twice");
            let hint = Some("name each once".to_owned());
            let (span, key) = (section.span_of(parameter.name), section.path.key(parameter.name));
            reader.fault_with_hint(span, key, message, hint);
            return None;
        }
        values.push(value);
    }
    Some(values.join(","))
}

fn read_one(
    section: &Section<'_>,
    parameter: &Parameter,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Option<String> {
    let key = parameter.name;
    match parameter.kind {
        Kind::Number { least, most } => {
            section.integer(key, &(least..=most), reader).map(|number| number.to_string())
        }
        Kind::Size { least, most } => {
            let size = section.size(key, reader)?;
            within(section, key, (size, least, most), format_size, reader).map(|n| n.to_string())
        }
        Kind::Time { least, most } => {
            let time = section.duration(key, reader)?;
            let time = within(section, key, (time, least, most), format_duration, reader)?;
            Some(Duration::as_millis(&time).to_string())
        }
        Kind::Percent => {
            let text = section.string(key, "a percentage such as \"1%\"", reader)?;
            let values: Values = [(key.to_owned(), text.to_owned())].into_iter().collect();
            if values.part(key).is_err() || values.part(key).is_ok_and(|part| part > 1.0) {
                let message = format!("{text:?} is not a percentage from 0% to 100%");
                let hint = Some(format!("write {key} = \"1%\""));
                reader.fault_with_hint(section.span_of(key), section.path.key(key), message, hint);
                return None;
            }
            Some(text.to_owned())
        }
        Kind::Word(words) => {
            let words: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
            section.choice(key, &words, reader).map(str::to_owned)
        }
        Kind::File => read_file(section, key, base, reader),
        Kind::Flag => section.boolean(key, reader).map(|flag| flag.to_string()),
        Kind::Text | Kind::StorageObject => {
            section.string(key, "a string", reader).map(str::to_owned)
        }
    }
}

/// The absolute path of a file that is there.
fn read_file(
    section: &Section<'_>,
    key: &str,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Option<String> {
    let written = section.string(key, "the path of a file", reader)?;
    let path = base.join(written);
    let path = std::path::absolute(&path).unwrap_or(path);
    reader.path(section.span_of(key), &path);
    let problem = match std::fs::read(&path) {
        Ok(_) if path.to_str().is_some() => return path.to_str().map(str::to_owned),
        Ok(_) => "its path is not UTF-8".to_owned(),
        Err(error) => error.to_string(),
    };
    let message = format!("{written:?}: {problem}");
    let hint = Some("name a file; what is relative is so to the spec".to_owned());
    reader.fault_with_hint(section.span_of(key), section.path.key(key), message, hint);
    None
}

/// Judges the job that fio is given; with the parameters that it gives itself.
fn judge_job(
    section: &Section<'_>,
    known: &Known,
    values: &[(String, String)],
    reader: &mut Reader<'_>,
) -> Vec<&'static str> {
    let path = values.iter().find(|(key, path)| key == "job" && !path.is_empty());
    let path = path.filter(|_| known.workload.name == fio::WORKLOAD.name);
    let Some(bytes) = path.and_then(|(_, path)| std::fs::read(path).ok()) else {
        return Vec::new();
    };
    if let Some((message, hint)) = job::fault(&bytes) {
        let (span, key) = (section.span_of("job"), section.path.key("job"));
        reader.fault_with_hint(span, key, message, Some(hint.to_owned()));
    }
    job::overruled(&String::from_utf8_lossy(&bytes))
}

/// The SHA-256 of a parameter's file.
fn digest((parameter, path): (&'static str, &str)) -> Option<(&'static str, String)> {
    let digest = Digest::of_reader(std::fs::File::open(path).ok()?).ok()?;
    Some((parameter, digest.to_string()))
}

/// What a parameter that must be given may be.
fn form(parameter: &Parameter) -> String {
    match parameter.kind {
        Kind::Word(words) => words.join(" or "),
        Kind::StorageObject => "the name of one".to_owned(),
        _ => parameter.about.to_owned(),
    }
}

fn within<T: PartialOrd + Copy, D: Display>(
    section: &Section<'_>,
    key: &str,
    (value, least, most): (T, T, T),
    form: impl Fn(T) -> D,
    reader: &mut Reader<'_>,
) -> Option<T> {
    if (least..=most).contains(&value) {
        return Some(value);
    }
    let (shown, least, most) = (form(value), form(least), form(most));
    let message = format!("{shown} is out of range, {least} to {most} is allowed");
    let hint = Some(format!("such as {key} = \"{least}\""));
    reader.fault_with_hint(section.span_of(key), section.path.key(key), message, hint);
    None
}
