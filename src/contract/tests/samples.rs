use std::path::PathBuf;

use crate::contract::{Terms, render_table};

fn odrl(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/odrl")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn show() {
    for name in ["dev/pcf-access.json", "dev/pcf-usage-until.json"] {
        let terms = Terms::from_odrl(&odrl(name)).unwrap();
        println!("{}\n{}", terms.cedar_text(), render_table(&terms));
    }
    for entry in std::fs::read_dir("fixtures/odrl/cx-25.09")
        .unwrap()
        .map(|e| e.unwrap().path())
        .chain(
            std::fs::read_dir("fixtures/odrl/cx-2405")
                .unwrap()
                .map(|e| e.unwrap().path()),
        )
    {
        let text = std::fs::read_to_string(&entry).unwrap();
        match Terms::from_odrl(&text) {
            Ok(_) => println!("OK {}", entry.display()),
            Err(e) => println!("{}: {e}", entry.display()),
        }
    }
}
