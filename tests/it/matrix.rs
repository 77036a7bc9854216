//! `tidegate check` and `tidegate matrix` as they are run: exit codes, formats, and what a person reads.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{check, run};
use crate::harness::files;

/// The project's bundle and corpus in a directory of its own.
fn copied() -> TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().unwrap();
    for part in ["policies", "schema", "fixtures/corpus", "fixtures/worlds"] {
        for file in files(&root.join(part)) {
            let to = directory.path().join(file.strip_prefix(root).unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(file, to).unwrap();
        }
    }
    for file in ["fixtures/divergences.json", "fixtures/matrix-exemptions.json"] {
        std::fs::copy(root.join(file), directory.path().join(file)).unwrap();
    }
    directory
}

fn edit(directory: &TempDir, file: &str, change: impl FnOnce(&mut Value)) {
    let path = directory.path().join(file);
    let mut document = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut document);
    std::fs::write(path, document.to_string()).unwrap();
}

#[test]
fn check_holds_on_the_project_itself_in_every_format() {
    let text = check(&["check"], 0);
    assert!(
        text.starts_with("case ") && text.contains(" cases, all hold: "),
        "{text}"
    );
    assert!(
        text.lines()
            .any(|line| line.starts_with("aws/secret-suffix-cut-short") && line.contains("listed: secret-arn"))
    );
    assert!(!text.contains('\u{1b}'), "no colour where no terminal is");
    let json: Value = serde_json::from_str(&check(&["check", "--format", "json"], 0)).unwrap();
    assert_eq!(json["totals"]["failed"], 0);
    let sarif: Value = serde_json::from_str(&check(&["check", "--format", "sarif"], 0)).unwrap();
    assert_eq!(sarif["runs"][0]["results"], json!([]));
    assert!(check(&["check", "--format", "junit"], 0).contains("failures=\"0\""));
    assert!(check(&["check", "--format", "markdown"], 0).contains("<details>"));
}

#[test]
fn a_mismatch_ends_check_with_two_and_is_found_in_every_format() {
    let directory = copied();
    let root = directory.path().to_str().unwrap();
    edit(&directory, "fixtures/corpus/footprints/read-viewer.json", |case| {
        case["expect"]["cedar"]["decision"] = json!("deny");
    });
    for format in ["text", "json", "junit", "sarif", "markdown"] {
        let out = check(&["check", "--bundle", root, "--format", format], 2);
        assert!(out.contains("expected deny by footprints/read, got allow"), "{out}");
    }
    check(&["check", "--bundle", root, "--layer", "iam"], 0);
}

#[test]
fn the_matrix_shows_one_world_or_all_and_knows_which_there_are() {
    let all: Value = serde_json::from_str(&check(&["matrix", "--format", "json"], 0)).unwrap();
    let names: Vec<_> = all["worlds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|world| &world["world"])
        .collect();
    assert_eq!(names, ["exchange", "siblings", "terms"]);
    let one = check(&["matrix", "--world", "siblings"], 0);
    assert!(
        one.starts_with("world siblings") && !one.contains("world exchange"),
        "{one}"
    );
    let unknown = run(&["matrix", "--world", "sibling"]);
    assert_eq!(unknown.status.code(), Some(3));
    let message = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(
        message,
        "tidegate: there is no world `sibling`; known are `exchange`, `siblings`, `terms`\n"
    );
}

#[test]
fn the_matrix_ends_with_two_where_something_is_not_shown_or_not_explained_and_with_four_where_nothing_is() {
    let directory = copied();
    let root = directory.path().to_str().unwrap();
    for world in ["exchange", "siblings", "terms"] {
        edit(&directory, &format!("fixtures/worlds/{world}.json"), |world| {
            let entities = world["entities"].as_array_mut().unwrap();
            entities.retain(|entity| entity["uid"]["type"] != "Secret");
        });
    }
    std::fs::remove_dir_all(directory.path().join("fixtures/corpus")).unwrap();
    let out = check(&["matrix", "--bundle", root, "--world", "siblings"], 2);
    for gap in ["readSecret", "writeSecret", "rotateSecret"] {
        assert!(
            out.contains(&format!("`User > {gap} > Secret`: no world has both")),
            "{out}"
        );
    }
    assert!(
        out.contains("d+?") && out.contains("no case of a listed class bears"),
        "{out}"
    );
    std::fs::remove_dir_all(directory.path().join("fixtures/worlds")).unwrap();
    check(&["matrix", "--bundle", root], 4);
}
