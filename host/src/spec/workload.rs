//! A benchmark of a workload that is declared in `lunlab-bench`: its values, as the guest takes them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use lunlab_bench::WORKLOADS;
use lunlab_bench::storage::OVER_ISCSI;
use lunlab_bench::unit;
use lunlab_bench::workload::{Kind, Parameter, Run, Workload, Wrong};

use super::benchmark::{IscsiDigest, Login, Via};
use super::check::{Check, Dimension, Metric};
use super::quantity::{parse_duration, parse_size};
use super::sections::keys::LOGIN;

/// What the name of a parameter that is a file has behind it where it names the SHA-256 of the contents.
pub const CONTENTS: &str = "_sha256";

/// One benchmark of a declared workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// The workload's name.
    pub workload: &'static str,
    /// A value for every parameter: sizes in bytes, times in milliseconds, lists with commas.
    pub values: Vec<(String, String)>,
    /// The SHA-256 of every file among them, by its parameter.
    pub contents: Vec<(&'static str, String)>,
    /// Where it logs in when it goes over iSCSI.
    pub login: Login,
    /// What its results must satisfy.
    pub checks: Vec<Check>,
    /// Parameters whose values do not hold, as a file it is given has others.
    pub overruled: Vec<&'static str>,
}

impl Measured {
    /// What runs it; nothing for one that is not declared.
    #[must_use]
    pub fn run(&self) -> Option<Run> {
        find(self.workload).map(|known| known.workload.run)
    }

    /// The values as results have them: numbers as numbers, and beside the path of a file what is in it.
    #[must_use]
    pub fn shown(&self) -> BTreeMap<String, serde_json::Value> {
        let shown = |(key, value): &(String, String)| {
            let number = value.parse::<u64>().map(serde_json::Value::from);
            (key.clone(), number.unwrap_or_else(|_| value.clone().into()))
        };
        let holding = self.values.iter();
        let holding = holding.filter(|(key, _)| !self.overruled.contains(&key.as_str()));
        let login = self.is_over_iscsi().then(|| self.login.shown()).into_iter().flatten();
        let contents = self.contents.iter();
        let contents =
            contents.map(|(key, digest)| (format!("{key}{CONTENTS}"), digest.clone().into()));
        holding.map(shown).chain(contents).chain(login).collect()
    }

    /// Whether lunlab's own initiator runs it, from the host.
    #[must_use]
    pub fn is_over_iscsi(&self) -> bool {
        self.value("via") == OVER_ISCSI
    }

    /// The storage object it uses, by which way, from which byte and how many of them.
    #[must_use]
    pub fn access(&self) -> Option<Access<'_>> {
        let storage_object = Some(self.value("storage_object")).filter(|name| !name.is_empty())?;
        let via = Via::WORDS.iter().find(|(word, _)| *word == self.value("via"))?.1;
        let offset = self.value("offset").parse().unwrap_or_default();
        Some(Access { storage_object, via, offset, length: self.value("length").parse().ok() })
    }

    /// The files of the host's that it is given: the parameter and the path of each.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let known = find(self.workload).map(|known| known.workload.all_parameters());
        let files = known.into_iter().flatten().filter(|each| each.kind == Kind::File);
        let files = files.map(|parameter| (parameter.name, self.value(parameter.name)));
        files.filter(|(_, path)| !path.is_empty())
    }

    /// Where the guest has the file of a parameter, by the benchmark's number.
    #[must_use]
    pub fn guest_file(number: usize, parameter: &str) -> String {
        format!("/lunlab.files/{number}-{parameter}")
    }

    /// Whether it is of no use on what stores no data.
    #[must_use]
    pub fn reads_back(&self) -> bool {
        ["digest", "pattern"].contains(&self.workload) || self.value("verify") == "true"
    }

    /// Whether it writes to its storage object.
    #[must_use]
    pub fn writes(&self) -> bool {
        let reads_all = ["", "100"].contains(&self.value("read_percent"));
        if self.workload == "fio" {
            return !["randread", "read"].contains(&self.value("rw"));
        }
        self.workload == "pattern" || !reads_all || self.value("verify") == "true"
    }

    /// What is wrong with its values together.
    #[must_use]
    pub fn wrong(&self) -> Option<Wrong> {
        let workload = find(self.workload)?.workload;
        workload.check(&self.values.iter().cloned().collect()).err()
    }

    /// Whether a parameter has the value it has when nothing is said.
    #[must_use]
    pub fn is_default(&self, key: &str) -> bool {
        let mut known =
            find(self.workload).into_iter().flat_map(|known| known.workload.all_parameters());
        let parameter = known.find(|parameter| parameter.name == key);
        parameter.is_some_and(|parameter| self.value(key) == default_of(parameter))
    }

    /// The value of a parameter; empty where there is none.
    #[must_use]
    pub fn value(&self, key: &str) -> &str {
        self.values.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value)
    }
}

impl Login {
    /// What was asked for, as results have it; nothing of secrets.
    pub(super) fn shown(&self) -> impl Iterator<Item = (String, serde_json::Value)> {
        let digest = |digest: IscsiDigest| (digest != IscsiDigest::None).then(|| digest.name());
        let shown = [
            ("target", self.target.as_deref().map(Into::into)),
            ("tpg", self.tpg.map(Into::into)),
            ("portal", self.portal.map(|portal| portal.to_string().into())),
            ("initiator", self.initiator.as_deref().map(Into::into)),
            ("lun", self.lun.map(Into::into)),
            ("header_digest", digest(self.header_digest).map(Into::into)),
            ("data_digest", digest(self.data_digest).map(Into::into)),
        ];
        shown.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)))
    }
}

/// How a benchmark gets at a storage object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access<'a> {
    /// Its name.
    pub storage_object: &'a str,
    /// By which way.
    pub via: Via,
    /// From which byte.
    pub offset: u64,
    /// How many bytes; all that follow when this is nothing.
    pub length: Option<u64>,
}

/// What the host knows of a declared workload beside its declaration.
pub(super) struct Known {
    /// The declaration.
    pub(super) workload: &'static Workload,
    /// The keys its table may have.
    pub(super) keys: Vec<&'static str>,
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| WORKLOADS.iter().map(known).collect());

fn known(workload: &'static Workload) -> Known {
    let own = workload.all_parameters().map(|parameter| parameter.name);
    let logs_in = logs_in(workload);
    Known {
        workload,
        // Without samples there is nothing to check.
        keys: ["workload", "check"]
            .into_iter()
            .take(if workload.is_sampled() { 2 } else { 1 })
            .chain(own)
            .chain(logs_in.then_some(LOGIN).into_iter().flatten().copied())
            .collect(),
    }
}

/// What checks of a workload can name when it has these values.
pub(super) fn metrics(workload: &Workload, values: &[(String, String)]) -> Vec<Metric> {
    let metric = |(name, unit): (String, &str)| {
        let is_time = matches!(unit, unit::NANOSECONDS | unit::MILLISECONDS);
        let dimension = if is_time { Dimension::Time } else { Dimension::Number };
        Metric { name: name.into(), dimension }
    };
    let series = workload.series.with(&values.iter().cloned().collect());
    series.into_iter().map(metric).collect()
}

/// Whether a workload can go over iSCSI.
pub(super) fn logs_in(workload: &Workload) -> bool {
    let over_iscsi = |parameter: &Parameter| matches!(parameter.kind, Kind::Word(words) if words.contains(&OVER_ISCSI));
    workload.parameters.iter().any(over_iscsi)
}

/// The declared workload of that name.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.workload.name == name)
}

/// A parameter's default as the guest takes it.
pub(super) fn default_of(parameter: &Parameter) -> String {
    let canonical = |text: &str| {
        match parameter.kind {
            Kind::Size { .. } => parse_size(text).map(|bytes| bytes.to_string()),
            Kind::Time { .. } => parse_duration(text).map(|time| time.as_millis().to_string()),
            _ => return text.to_owned(),
        }
        .unwrap_or_else(|_| text.to_owned())
    };
    if parameter.default.is_empty() {
        return String::new();
    }
    let texts = parameter.default.split(',').map(|text| canonical(text.trim()));
    texts.collect::<Vec<_>>().join(",")
}

/// What a parameter of any declared workload looks like in a spec.
pub(super) fn example_of(key: &str) -> Option<String> {
    let mut parameters = WORKLOADS.iter().flat_map(Workload::all_parameters);
    let parameter = parameters.find(|parameter| parameter.name == key)?;
    let default = parameter.default.split(',').next().filter(|text| !text.is_empty());
    let value = match parameter.kind {
        Kind::Number { least, .. } => default.map_or_else(|| least.to_string(), str::to_owned),
        Kind::Flag => "true".to_owned(),
        Kind::Word(words) => format!("{:?}", default.or_else(|| words.first().copied())?),
        _ => format!("{:?}", default?),
    };
    Some(format!("{key} = {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_what_the_workload_can_read() {
        for workload in WORKLOADS {
            for parameter in workload.all_parameters().filter(|each| !each.default.is_empty()) {
                let default = default_of(parameter);
                let numbers = matches!(
                    parameter.kind,
                    Kind::Number { .. } | Kind::Size { .. } | Kind::Time { .. }
                );
                let readable = default.split(',').all(|one| one.parse::<u64>().is_ok());
                assert!(!numbers || readable, "{}: {}", workload.name, parameter.name);
            }
            assert!(workload.all_parameters().count() <= lunlab_protocol::request::PARAMETERS);
        }
    }

    #[test]
    fn no_two_parameters_and_no_two_workloads_have_one_name() {
        for known in KNOWN.iter() {
            let mut keys = known.keys.clone();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), known.keys.len(), "{}", known.workload.name);
            assert!(!super::super::WORKLOADS.contains(&known.workload.name));
        }
    }
}
