//! Wherever a crash comes, what is found is the old object or the new; and many put together are what they would be one by one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use secrecy::SecretBox;
use tempfile::TempDir;

use super::*;
use crate::vault::VaultKey;
use crate::vault::files::Root;
use crate::vault::object::Place;

const TENANT: &str = "BPNL000000000DWF";

/// All files below a directory, but for contents that have no name yet.
type Tree = BTreeMap<String, Vec<u8>>;

/// A directory in memory, where there are such: nothing here is about how a disk behaves.
fn directory() -> TempDir {
    match Path::new("/dev/shm") {
        memory if memory.is_dir() => tempfile::tempdir_in(memory).unwrap(),
        _ => tempfile::tempdir().unwrap(),
    }
}

fn objects(dir: &Path) -> Objects {
    let key = VaultKey::new(SecretBox::new(Box::new([7; 32])));
    Objects::new(Root::open(dir).unwrap(), &key).unwrap()
}

fn own(name: &str) -> ObjectKey {
    ObjectKey {
        tenant: TENANT.parse().unwrap(),
        place: Place::Own("urn:x:1".parse().unwrap()),
        pcf: name.parse().unwrap(),
    }
}

fn received(name: &str) -> ObjectKey {
    ObjectKey {
        place: Place::Received("BPNL00000000C3EF".parse().unwrap()),
        ..own(name)
    }
}

fn tree(dir: &Path) -> Tree {
    fn walk(dir: &Path, root: &Path, tree: &mut Tree) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                if name != "staging" {
                    walk(&path, root, tree);
                }
            } else {
                tree.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = Tree::new();
    walk(dir, dir, &mut found);
    found
}

fn plant(tree: &Tree) -> TempDir {
    let dir = directory();
    for (name, bytes) in tree {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    dir
}

fn put(objects: &Objects, at: &ObjectKey, bytes: &[u8]) {
    let mut done = objects.put_all(vec![(at.clone(), bytes.to_vec())]);
    assert_eq!(done.pop().unwrap().unwrap(), Digest::of(bytes));
}

/// Whether the bytes are in the history, under a seal that knows them.
fn is_kept(objects: &Objects, at: &ObjectKey, bytes: &[u8]) -> bool {
    let digest = Digest::of(bytes);
    let file = |extension| {
        let found = at.with_history(&digest, extension, |path| objects.root.read(path, MAX_BYTES));
        found.unwrap().unwrap()
    };
    let seal = format!("{}\n", objects.history_seal(at, &digest)).into_bytes();
    (file("json"), file("seal")) == (Some(bytes.to_vec()), Some(seal))
}

/// An object that a batch puts, and what of it may be found after a crash.
struct Subject {
    at: ObjectKey,
    new: &'static [u8],
    /// What is there before.
    old: Found,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Bytes(&'static [u8]),
    /// Bytes that the vault did not put there.
    Foreign,
}

fn found(objects: &Objects, subject: &Subject) -> Found {
    let known = [Some(subject.new), bytes(subject.old)];
    match objects.get(&subject.at) {
        Ok(object) => {
            let known = known.into_iter().flatten().find(|known| *known == object.bytes);
            Found::Bytes(known.expect("these bytes nobody put there"))
        }
        Err(VaultError::NotFound(_)) => Found::Nothing,
        Err(VaultError::Tampered { .. }) => Found::Foreign,
        Err(other) => panic!("{other:?}"),
    }
}

fn bytes(found: Found) -> Option<&'static [u8]> {
    match found {
        Found::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// Objects of every kind there can be before they are put, in a vault that has them.
fn scene(objects: &Objects, dir: &Path) -> Vec<Subject> {
    let subject = |at, new: &'static [u8], old| Subject { at, new, old };
    put(objects, &own("there"), b"old");
    put(objects, &received("received"), b"old");
    put(objects, &own("same"), b"new");
    // What was there before it is in the history already.
    for bytes in [b"one", b"two", b"one"] {
        put(objects, &own("back"), bytes);
    }
    put(objects, &own("tampered"), b"old");
    let below = dir.join("objects").join(TENANT).join("pcf/urn:x:1");
    fs::write(below.join("tampered.json"), "foreign").unwrap();
    // A seal that a crash left, broken off.
    fs::write(below.join("left.seal"), "ab").unwrap();
    // One whose seal still names what was before.
    put(objects, &own("open"), b"older");
    let before = fs::read_to_string(below.join("open.seal")).unwrap();
    put(objects, &own("open"), b"new");
    let after = fs::read_to_string(below.join("open.seal")).unwrap();
    fs::write(below.join("open.seal"), format!("{after}{before}")).unwrap();
    vec![
        subject(own("there"), b"new", Found::Bytes(b"old")),
        subject(received("received"), b"new", Found::Bytes(b"old")),
        subject(own("same"), b"new", Found::Bytes(b"new")),
        subject(own("back"), b"new", Found::Bytes(b"one")),
        subject(own("tampered"), b"new", Found::Foreign),
        subject(own("left"), b"new", Found::Nothing),
        subject(own("open"), b"new", Found::Bytes(b"new")),
        subject(own("new"), b"new", Found::Nothing),
    ]
}

fn puts(subjects: &[Subject]) -> Vec<(ObjectKey, Vec<u8>)> {
    let put = |subject: &Subject| (subject.at.clone(), subject.new.to_vec());
    subjects.iter().map(put).collect()
}

/// What is on disk after each step of a batch, beginning with what was before it.
fn states() -> (Vec<Subject>, Vec<Tree>) {
    let dir = directory();
    let objects = objects(dir.path());
    let subjects = scene(&objects, dir.path());
    let mut batch = Batch::begin(&objects, subjects.len()).unwrap();
    let mut states = vec![tree(dir.path())];
    batch.lay(puts(&subjects).into_iter().enumerate().collect()).unwrap();
    states.push(tree(dir.path()));
    for step in Batch::STEPS {
        batch.settle();
        step(&mut batch);
        states.push(tree(dir.path()));
    }
    assert!(batch.end().iter().all(|(_, result)| result.is_ok()));
    (subjects, states)
}

/// Whatever of a step reached the disk (a bit for each file that it changed), and however much of a content that was not settled: what
/// can be said of it is true, and the same batch after it ends as if there had been no crash.
fn check(subjects: &[Subject], states: &[Tree], step: usize, reached: u64, broken: usize) {
    let (before, after) = (&states[step - 1], &states[step]);
    let changed: Vec<_> = after
        .iter()
        .filter(|(name, bytes)| before.get(*name) != Some(bytes))
        .collect();
    assert!(
        before.keys().all(|name| after.contains_key(name)),
        "nothing goes but by being replaced"
    );
    let mut crashed = before.clone();
    for (place, (name, bytes)) in changed.iter().enumerate() {
        if reached >> (place % 64) & 1 == 1 {
            // Only in the first step something has a name before it is settled.
            let length = if step == 1 {
                bytes.len().min(broken)
            } else {
                bytes.len()
            };
            crashed.insert((*name).clone(), bytes[..length].to_vec());
        }
    }
    let dir = plant(&crashed);
    let objects = objects(dir.path());
    for subject in subjects {
        let now = found(&objects, subject);
        let is_new = now == Found::Bytes(subject.new);
        assert!(
            now == subject.old || is_new,
            "step {step}, {}: {now:?}",
            subject.at.name()
        );
        assert!(step < 4 || is_new, "what was answered is there");
        match (subject.old, &subject.at.place) {
            (Found::Bytes(old), Place::Own(_)) if is_new && old != subject.new => {
                assert!(
                    is_kept(&objects, &subject.at, old),
                    "step {step}, {}",
                    subject.at.name()
                );
            }
            _ => {}
        }
    }
    let done = objects.put_all(puts(subjects));
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(
        &tree(dir.path()),
        states.last().unwrap(),
        "after a crash in step {step}"
    );
}

#[test]
fn a_crash_within_or_between_the_steps_leaves_each_object_as_it_was_or_as_it_is_to_be() {
    let (subjects, states) = states();
    for step in 1..states.len() {
        // None, all, each alone, all but one.
        let bits = (0..20).map(|place| 1 << place);
        let sets = [0, u64::MAX]
            .into_iter()
            .chain(bits.clone())
            .chain(bits.map(|bit| !bit));
        for reached in sets {
            for broken in [0, 9, usize::MAX] {
                check(&subjects, &states, step, reached, broken);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_of_a_step_reaches_the_disk_no_object_is_lost(step in 1..5_usize, reached: u64, broken in 0..80_usize) {
        static STATES: std::sync::LazyLock<Vec<Tree>> = std::sync::LazyLock::new(|| states().1);
        let dir = directory();
        let subjects = scene(&objects(dir.path()), dir.path());
        check(&subjects, &STATES, step, reached, broken);
    }
}

#[test]
fn a_seal_of_the_history_is_no_seal_of_the_object() {
    let dir = directory();
    let objects = objects(dir.path());
    put(&objects, &own("p"), b"old");
    put(&objects, &own("p"), b"new");
    assert!(is_kept(&objects, &own("p"), b"old") && !is_kept(&objects, &own("p"), b"new"));
    let below = dir.path().join("objects").join(TENANT);
    let kept = below.join("history/urn:x:1/p").join(Digest::of(b"old").to_string());
    for extension in ["json", "seal"] {
        let from = format!("{}.{extension}", kept.display());
        fs::copy(from, below.join("pcf/urn:x:1/p").with_extension(extension)).unwrap();
    }
    assert!(matches!(objects.get(&own("p")), Err(VaultError::Tampered { .. })));
    // What stands under the name of a kept version and is not it gives way once these bytes are kept again.
    put(&objects, &own("q"), b"old");
    put(&objects, &own("q"), b"new");
    let kept = below
        .join("history/urn:x:1/q")
        .join(format!("{}.json", Digest::of(b"old")));
    fs::remove_file(&kept).unwrap();
    fs::write(&kept, "foreign").unwrap();
    put(&objects, &own("q"), b"old");
    put(&objects, &own("q"), b"newer");
    assert!(is_kept(&objects, &own("q"), b"old") && is_kept(&objects, &own("q"), b"new"));
    assert_eq!(
        objects.list(TENANT.parse().unwrap()).unwrap().len(),
        2,
        "the history is not listed"
    );
}

#[test]
fn what_a_crash_left_without_a_name_is_gone_with_the_next_start() {
    let dir = directory();
    let objects = objects(dir.path());
    let staging = Staging::begin(&objects.root, 1).unwrap();
    std::mem::forget(staging.write(b"left").unwrap());
    let left = || fs::read_dir(dir.path().join("staging")).unwrap().count();
    assert_eq!(left(), 1);
    Staging::clear(&objects.root).unwrap();
    assert_eq!(left(), 0);
    // One that is given up takes what it wrote along.
    drop(staging.write(b"given up").unwrap());
    assert_eq!(left(), 0);
}

fn any_put() -> impl Strategy<Value = (ObjectKey, Vec<u8>)> {
    let at = prop_oneof![
        (0..4_u8).prop_map(|number| own(&format!("p-{number}"))),
        (0..90_u8).prop_map(|number| own(&format!("p-{number}"))),
        (0..3_u8).prop_map(|number| received(&format!("p-{number}"))),
    ];
    (at, prop::collection::vec(0..2_u8, 0..3))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_put_together_are_what_they_are_one_by_one(
        puts in prop::collection::vec(any_put(), 1..120),
        cut in 1..120_usize,
    ) {
        let dirs = [directory(), directory()];
        let [many, one] = [&dirs[0], &dirs[1]].map(|dir| objects(dir.path()));
        let mut told = Vec::new();
        for batch in puts.chunks(cut) {
            told.extend(many.put_all(batch.to_vec()).into_iter().map(Result::unwrap));
        }
        for (at, bytes) in &puts {
            put(&one, at, bytes);
        }
        let expected: Vec<_> = puts.iter().map(|(_, bytes)| Digest::of(bytes)).collect();
        prop_assert_eq!(told, expected);
        prop_assert_eq!(tree(dirs[0].path()), tree(dirs[1].path()));
        let last: BTreeMap<_, _> = puts.iter().map(|(at, bytes)| (at.name(), (at, bytes))).collect();
        for (at, bytes) in last.into_values() {
            prop_assert_eq!(&many.get(at).unwrap().bytes, bytes);
        }
    }

    #[test]
    fn one_that_cannot_be_put_keeps_no_other_from_it(wrong in prop::collection::btree_set(0..40_usize, 0..20)) {
        let dir = directory();
        let objects = objects(dir.path());
        let below = dir.path().join("objects").join(TENANT).join("pcf/urn:x:1");
        let mut puts = Vec::new();
        for number in 0..40_usize {
            let at = own(&format!("p-{number}"));
            if wrong.contains(&number) && number % 2 == 0 {
                // Nothing can take the place of a directory: that is found as the bytes are to be read.
                fs::create_dir_all(below.join(format!("p-{number}.json"))).unwrap();
            }
            let length = if wrong.contains(&number) && number % 2 == 1 { MAX_BYTES + 1 } else { number };
            puts.push((at, vec![b'x'; length]));
        }
        for (number, result) in objects.put_all(puts).into_iter().enumerate() {
            prop_assert_eq!(result.is_err(), wrong.contains(&number), "{}: {:?}", number, result);
            let read = objects.get(&own(&format!("p-{number}")));
            prop_assert_eq!(read.is_err(), wrong.contains(&number));
        }
    }
}
