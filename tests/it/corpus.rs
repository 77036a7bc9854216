//! The corpus holds on the built-in bundle, and is good enough to be worth holding.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tidegate::bundle::{Bundle, Source};
use tidegate::parity::{self, Corpus, Format, World};

mod mutants;
mod properties;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

static BUNDLE: LazyLock<Bundle> =
    LazyLock::new(|| Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render())));

static CORPUS: LazyLock<Corpus> =
    LazyLock::new(|| parity::load(&root().join("fixtures")).unwrap_or_else(|error| panic!("{error}")));

fn world() -> &'static World {
    CORPUS.worlds.get("exchange").unwrap()
}

#[test]
fn every_case_holds_on_the_built_in_bundle() {
    let report = parity::run(&BUNDLE, &CORPUS);
    assert!(!report.is_empty());
    assert!(report.holds(), "{}", report.render(Format::Text));
}

#[test]
fn the_matrix_is_the_one_that_was_read_and_accepted() {
    let path = root().join("tests/it/golden/matrix.txt");
    let got = parity::matrix(&BUNDLE, world());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &got).unwrap();
    }
    let accepted = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (got, accepted)) in got.lines().zip(accepted.lines()).enumerate() {
        assert_eq!(
            got,
            accepted,
            "line {} of {}; if that is meant: UPDATE_GOLDEN=1",
            number + 1,
            path.display()
        );
    }
    assert_eq!(
        got.lines().count(),
        accepted.lines().count(),
        "lines were added or taken out; if meant: UPDATE_GOLDEN=1"
    );
}
