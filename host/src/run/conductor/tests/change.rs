//! Specs that change while their target is held.

use super::work::spec;
use super::*;
use crate::result::SpecChangeOutcome as Outcome;
use crate::run::replan::Replanned;

const HINT: &str = "hint: end this run and start it anew with the changed spec; the target stays as it is until then";

const ONE: &str = "[[storage_object]]\nname = \"a\"\nbackstore = \"ramdisk\"\nsize = \"64M\"\n\
    [[target]]\nwwn = \"iqn.2024-05.org.example:one\"\n[[target.tpg]]\n\
    portals = [\"127.0.0.1:3260\"]\nluns = [{ lun = 0, storage_object = \"a\" }]\n";

/// With another LUN.
fn two() -> Spec {
    spec(&ONE.replace(" }]", " }, { lun = 5, storage_object = \"a\" }]"))
}

fn held() -> Play {
    Play::of(spec(ONE), true, None).ready()
}

/// A spec that needs nothing the guest has not.
pub(super) fn replanned(spec: &Spec) -> Replanned {
    let provisioning = Provisioning::shown(spec).map_err(|error| error.to_string());
    Replanned { provisioning, refusals: Vec::new() }
}

/// The spec changes and is planned; gives what is done and what is said.
fn changed(play: &mut Play, spec: Result<Spec, String>) -> (Vec<Action>, String) {
    let what = What::SpecChanged(Box::new(spec));
    let actions = play.conductor.take(Happening { at: play.now, what });
    let mut done = Vec::new();
    for action in actions {
        match action {
            Action::Replan(spec) => {
                let replanned = replanned(&spec);
                done.extend(play.conductor.replanned(*spec, replanned, play.now));
            }
            other => done.push(other),
        }
    }
    parted(done)
}

/// What is done, and what is said.
fn parted(actions: Vec<Action>) -> (Vec<Action>, String) {
    let (said, done): (Vec<_>, Vec<_>) =
        actions.into_iter().partition(|action| matches!(action, Action::Say(_)));
    let words = said.iter().filter_map(|action| match action {
        Action::Say(words) => Some(words.as_str()),
        _ => None,
    });
    (done, words.collect::<Vec<_>>().join("\n"))
}

fn hear(play: &mut Play, event: &Event<'_>) -> (Vec<Action>, String) {
    let mut buffer = [0; lunlab_protocol::frame::MAX_PAYLOAD];
    let what = What::Message(encode(event, &mut buffer).unwrap().to_vec());
    parted(play.conductor.take(Happening { at: play.now, what }))
}

fn to_two() -> Vec<Action> {
    vec![Action::Change(Arc::new(Provisioning::shown(&two()).unwrap()))]
}

#[test]
fn a_change_is_carried_out_and_its_urls_are_told() {
    let mut play = held();
    assert_eq!(changed(&mut play, Ok(two())).0, to_two());
    // Until the guest says so, the old one stands.
    assert_eq!(play.conductor.standing().0, &spec(ONE));
    let (done, said) = hear(&mut play, &Event::Changed { undone: 0, steps: 2 });
    assert_eq!(done, [Action::Announce]);
    assert_eq!(
        said,
        "the target is changed: 0 steps undone, 2 done in 0 ms\n  \
         + LUN 5 → a on iqn.2024-05.org.example:one"
    );
    assert_eq!(play.conductor.standing().0, &two());
    // Nobody asked for another.
    assert_eq!(hear(&mut play, &Event::Changed { undone: 9, steps: 9 }).0, []);
    assert_eq!(play.conductor.standing().0, &two());
}

#[test]
fn what_changes_no_url_is_told_as_well_because_it_may_be_exported() {
    let mut play = held();
    let attribute = spec(&format!("{ONE}attributes = {{ login_timeout = 20 }}\n"));
    assert!(matches!(changed(&mut play, Ok(attribute)).0[..], [Action::Change(_)]));
    let (done, _) = hear(&mut play, &Event::Changed { undone: 1, steps: 1 });
    assert_eq!(done, [Action::Announce]);
}

#[test]
fn what_cannot_be_is_not_taken_and_the_target_stands() {
    let refused = "the changed spec is not taken: ";
    let mut play = held();
    let kernel = spec(&format!("[kernel]\ncmdline = \"quiet\"\n{ONE}"));
    for (changed_to, told) in [
        (Err("s.toml:1:1: what?\n".to_owned()), format!("{refused}s.toml:1:1: what?")),
        (
            Ok(kernel),
            format!("{refused}kernel.cmdline cannot change while the guest runs\n  {HINT}"),
        ),
        (Ok(spec(ONE)), "the spec changed, and nothing of the target with it".to_owned()),
    ] {
        assert_eq!(changed(&mut play, changed_to), (vec![], told));
        assert_eq!(play.conductor.standing().0, &spec(ONE));
    }
    assert_eq!(play.conductor.stage(), Stage::Holding);
}

#[test]
fn of_those_that_come_during_a_change_the_last_has_its_turn_after_it() {
    let outcomes = [Event::Changed { undone: 0, steps: 2 }, Event::ChangeFailed { undone: true }];
    for outcome in outcomes {
        let mut play = held();
        assert_eq!(changed(&mut play, Ok(two())).0, to_two());
        for newer in [Err("half a spec".to_owned()), Ok(spec(ONE))] {
            assert_eq!(changed(&mut play, newer), (vec![], String::new()));
        }
        let (done, said) = hear(&mut play, &outcome);
        assert_eq!(done.last(), Some(&Action::Replan(Box::new(spec(ONE)))));
        assert!(!said.contains("half a spec"), "{said}");
    }
}

#[test]
fn a_change_that_failed_is_told_and_the_next_one_works() {
    for (undone, stands) in [
        (true, "what stood before stands"),
        (false, "what stood before could not all be brought back"),
    ] {
        let mut play = held();
        changed(&mut play, Ok(two()));
        let step = StepFailed {
            step: 1,
            steps: 2,
            operation: "mkdir",
            path: "lun_5",
            value: "",
            errno: 12,
            cause: "",
            hint: "",
        };
        hear(&mut play, &Event::StepFailed(step));
        let (done, said) = hear(&mut play, &Event::ChangeFailed { undone });
        assert_eq!(done, []);
        assert!(said.contains("mkdir lun_5: ENOMEM") && said.ends_with(stands), "{said}");
        assert_eq!(play.conductor.standing().0, &spec(ONE));
        assert_eq!(changed(&mut play, Ok(two())).0, to_two());
        hear(&mut play, &Event::Changed { undone: 0, steps: 2 });
        assert_eq!(play.conductor.standing().0, &two());
    }
}

#[test]
fn nothing_changes_that_is_not_held() {
    for mut play in [Play::with(false, None).ready(), Play::with(true, None)] {
        assert_eq!(changed(&mut play, Ok(two())), (vec![], String::new()));
    }
}

#[test]
fn all_that_is_refused_is_named_at_once_and_no_step_is_made() {
    let mut play = held();
    let none = spec("[machine]\ncpus = 2\n");
    let mut replanned = replanned(&none);
    replanned.refusals.push("storage object n needs null_blk".to_owned());
    let (done, said) = parted(play.conductor.replanned(none, replanned, play.now));
    assert_eq!(done, []);
    let expected = [
        "the changed spec is not taken: storage object n needs null_blk",
        "machine.cpus cannot change while the guest runs",
        "the last target cannot go: Ctrl-C is what ends a target",
        HINT,
    ];
    assert_eq!(said, expected.join("\n  "));
}

#[test]
fn every_change_is_in_the_record_with_what_came_of_it() {
    let mut play = held();
    changed(&mut play, Err("s.toml:1:1: what?".to_owned()));
    changed(&mut play, Ok(spec(ONE)));
    changed(&mut play, Ok(two()));
    hear(&mut play, &Event::ChangeFailed { undone: true });
    changed(&mut play, Ok(two()));
    hear(&mut play, &Event::Changed { undone: 0, steps: 2 });
    let (spec, provisioning) = play.conductor.standing();
    let (spec, provisioning) = (spec.clone(), Arc::clone(provisioning));
    let learnt = play.conductor.record.conclude(&spec, Some(&provisioning));
    let added = "+ LUN 5 → a on iqn.2024-05.org.example:one".to_owned();
    let told: Vec<_> = learnt
        .spec_changes
        .into_iter()
        .map(|change| (change.outcome, change.lines, change.problems, change.steps))
        .collect();
    let failed = "no step was named; what stood before stands".to_owned();
    let expected = [
        (Outcome::Refused, vec![], vec!["s.toml:1:1: what?".to_owned()], 0),
        (Outcome::Same, vec![], vec![], 0),
        (Outcome::Failed, vec![added.clone()], vec![failed], 0),
        (Outcome::Changed, vec![added], vec![], 2),
    ];
    assert_eq!(told, expected);
}
