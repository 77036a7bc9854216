//! The order of the code: who may import whom, what pure means, and that what is written about the program is true.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use tidegate::cli::Cli;

use crate::harness::files;

/// The modules in their order: each may import only those above it. So there is no cycle, and a reader who goes from top to
/// bottom never meets what they do not know yet.
const ORDER: &[(&str, &str)] = &[
    ("ids", "names, parsed once; everything else is written in terms of them"),
    ("causes", "what an error says with its causes; knows of nothing"),
    ("answer", "what others answer over HTTP, no more of it than a bound"),
    ("pace", "not too many calls at once; knows of nothing"),
    ("clock", "the one reader of wall time; knows of nothing"),
    ("json", "the one strict reader of JSON; knows of nothing"),
    (
        "telemetry",
        "names of metrics and fields; whoever counts or logs uses them",
    ),
    (
        "database",
        "tables in a file or a database; knows nothing of what they hold",
    ),
    (
        "decision",
        "the shape of an answer, which both layers and the ledger speak",
    ),
    (
        "contract",
        "ODRL to terms; a contract is what it is before anyone asks about it",
    ),
    (
        "twin",
        "access rules of a registry of digital twins, compiled as contracts are; asks nothing",
    ),
    (
        "registry",
        "what the platform knows, terms among it; not what is asked of it",
    ),
    (
        "question",
        "made of what the registry knows; closed before anyone answers",
    ),
    ("iam", "answers AWS requests; knows nothing of Cedar, nor of questions"),
    (
        "cedar",
        "answers questions; knows nothing of IAM: the layers are independent",
    ),
    (
        "bundle",
        "both layers' policies and their correspondence, as one version",
    ),
    ("engine", "asks both layers under one bundle"),
    (
        "groups",
        "a tenant's groups in a user pool: names of AWS from one layer, answers from the other",
    ),
    ("parity", "runs the engine over the corpus"),
    ("ledger", "records decisions, and replays them through the engine"),
    (
        "config",
        "a file and what is wrong with it; of the program only how keys are spelled",
    ),
    (
        "shadow",
        "asks a candidate bundle along, and records what it would have said",
    ),
    ("decide", "the spine: engine, then ledger; the only maker of permits"),
    (
        "agreements",
        "what becomes of agreements: first in the ledger, then in the registry",
    ),
    ("aws", "calls AWS; knows of the platform only how it is named there"),
    ("vault", "opens sessions for permits and for nothing else"),
    ("tenant", "has tenants come and go: in the registry, the ledger and AWS"),
    ("ingest", "reads documents into what the registry indexes"),
    (
        "peer",
        "another company's system as it is called: whom to believe to be there, and how to prove oneself",
    ),
    (
        "pcf",
        "what partners ask of each other and hand each other, and what is still to be delivered",
    ),
    (
        "shell",
        "what is registered of footprints, and who is to see it, which it asks the engine",
    ),
    ("intake", "what is handed in or fetched: read, decided, stored, indexed"),
    ("pull", "fetches from suppliers' systems, and takes in what it finds"),
    ("facts", "tokens to claims; knows nothing of what they are used for"),
    (
        "dataspace",
        "what connectors say and what is kept of it; decides nothing",
    ),
    (
        "dev::connector",
        "a peer that speaks standards only; HTTP mounts it in dev mode",
    ),
    (
        "dev::issuer",
        "makes the tokens that facts verifies; HTTP serves it in dev mode",
    ),
    ("http", "asks the spine, reaches data through permits"),
    ("assemble", "joins all parts to a service"),
    ("dev", "a service over the development world"),
    ("cli", "the rim: reads arguments, starts everything"),
];

/// Modules that take values and give values, and what in them is a loader and so exempt.
const PURE: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("causes", &[]),
    ("json", &[]),
    ("decision", &[]),
    ("contract", &[]),
    ("twin", &[]),
    ("shell", &[]),
    ("question", &[]),
    ("iam", &[]),
    ("cedar", &[]),
    ("engine", &[]),
    ("groups", &[]),
    ("ingest", &[]),
    ("pcf/model", &[]),
    ("pcf/part", &[]),
    ("pcf/exchange", &[]),
    ("pcf/pact", &[]),
    ("pcf/retry", &[]),
    ("pull/document", &[]),
    ("pull/link", &[]),
    ("pull/page", &[]),
    ("peer/after", &[]),
    ("pull/run", &[]),
    ("parity", &["parity/corpus.rs"]),
    ("ledger/record", &[]),
    ("ledger/quorum", &[]),
    ("ledger/succession", &[]),
    ("ledger/witness/message", &[]),
    ("ledger/witness/rounds", &[]),
    ("facts/edr", &["facts/edr/keys.rs"]),
    ("dataspace/signaling", &[]),
];

/// What makes a module impure.
const IMPURE: &[&str] = &[
    "tokio",
    "axum",
    "hyper",
    "sqlx",
    "reqwest",
    "aws_sdk",
    "async fn",
    "std::fs",
    "TcpStream",
    "UdpSocket",
    "std::env",
    "std::process",
    "Instant::now",
    "Timestamp::now",
    "SystemTime",
    "crate::clock",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file of the program: its path below `src`, and its code without comments and tests.
struct Shipped {
    path: PathBuf,
    code: String,
}

fn shipped() -> Vec<Shipped> {
    let src = root().join("src");
    let is_test = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    let all = files(&src)
        .into_iter()
        .map(|path| path.strip_prefix(&src).unwrap().to_owned());
    all.filter(|path| !is_test(path))
        .map(|path| {
            let text = std::fs::read_to_string(src.join(&path)).unwrap();
            let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let code: Vec<_> = before_tests
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .map(|line| line.split(" // ").next().unwrap())
                .collect();
            Shipped {
                path,
                code: code.join("\n"),
            }
        })
        .collect()
}

/// The module a path such as `crate::dev::issuer::sign` leads into.
fn module(path: &str) -> &str {
    for part in ["dev::connector", "dev::issuer"] {
        if path.starts_with(part) {
            return part;
        }
    }
    let end = path.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    &path[..end.unwrap_or(path.len())]
}

/// The module a file is part of.
fn home(path: &Path) -> String {
    let path = path.with_extension("").display().to_string().replace('/', "::");
    module(&path).to_owned()
}

#[test]
fn modules_import_only_what_stands_above_them() {
    let place = |module: &str| ORDER.iter().position(|(name, _)| *name == module);
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in shipped() {
        let home = home(&file.path);
        if ["lib", "main"].contains(&home.as_str()) {
            continue;
        }
        let Some(own) = place(&home) else {
            wrong.push(format!("the module `{home}` is not in the order"));
            continue;
        };
        seen.insert(own);
        for (at, _) in file.code.match_indices("crate::") {
            let other = module(&file.code[at + "crate::".len()..]);
            match place(other) {
                _ if other == home => {}
                Some(place) if place < own => {}
                _ => wrong.push(format!(
                    "{}: `{home}` imports `{other}`, which stands below it",
                    file.path.display()
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.len(), ORDER.len(), "a module of the order is no more");
}

#[test]
fn the_two_layers_and_the_verifier_of_tokens_know_nothing_of_each_other() {
    let allowed: &[(&str, &[&str])] = &[
        ("iam", &["decision", "ids"]),
        ("cedar", &["question", "decision", "contract", "ids", "causes"]),
        ("facts", &["ids", "json", "causes"]),
    ];
    for (name, allowed) in allowed {
        for file in shipped().iter().filter(|file| home(&file.path) == *name) {
            for (at, _) in file.code.match_indices("crate::") {
                let other = module(&file.code[at + "crate::".len()..]);
                let fine = other == *name || allowed.contains(&other);
                assert!(fine, "{}: imports `{other}`", file.path.display());
            }
        }
    }
}

#[test]
fn pure_modules_do_no_io_and_read_no_clock() {
    for (pure, exempt) in PURE {
        let of_module = |file: &&Shipped| {
            let path = file.path.with_extension("");
            path.starts_with(pure) && !exempt.iter().any(|exempt| file.path == Path::new(exempt))
        };
        let all = shipped();
        let mut count = 0;
        for file in all.iter().filter(of_module) {
            count += 1;
            for impure in IMPURE {
                assert!(!file.code.contains(impure), "{} has `{impure}`", file.path.display());
            }
        }
        assert!(count > 0, "there is no module `{pure}`");
    }
}

#[test]
fn nothing_shipped_ends_the_program_on_its_own() {
    for file in shipped() {
        for (number, line) in file.code.lines().enumerate() {
            // The demo's own word for "this should have come out so".
            let line = line.replace("show.expect(", "");
            for call in [
                ".unwrap()",
                ".expect(",
                "panic!(",
                "unreachable!(",
                "todo!(",
                "unimplemented!(",
                "process::exit",
            ] {
                assert!(
                    !line.contains(call),
                    "{} has `{call}` (code line {number})",
                    file.path.display()
                );
            }
        }
    }
}

#[test]
fn a_file_can_be_read_in_one_go() {
    for path in ["src", "tests/aws/src", "cluster/src"]
        .map(|directory| files(&root().join(directory)))
        .concat()
    {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

#[test]
fn every_dependency_is_used() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let code: String = shipped().into_iter().map(|file| file.code + "\n").collect();
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        let name = name.replace('-', "_");
        assert!(code.contains(&format!("{name}::")), "nothing uses `{name}`");
    }
}

/// The command lines in a text that name a subcommand or an option that does not exist.
fn wrong_commands(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        // Within a table, a bar is escaped.
        let line = line.replace("\\|", "|");
        let commands: Vec<&str> = match fenced {
            true => line.split(['|', ';', '#', '&']).collect(),
            false => line.split('`').skip(1).step_by(2).collect(),
        };
        for command in commands {
            let words: Vec<&str> = command.split_whitespace().skip_while(|word| *word == "$").collect();
            let arguments = match words.as_slice() {
                ["cargo", "run", rest @ ..] => rest.split(|word| *word == "--").nth(1),
                [program, rest @ ..] if program.rsplit('/').next() == Some("tidegate") => Some(rest),
                _ => None,
            };
            // What `serve` prints begins with the program's name too.
            let is_output = arguments.is_some_and(|arguments| arguments.starts_with(&["serves", "on"]));
            if !is_output && arguments.is_some_and(|arguments| !is_known(arguments)) {
                wrong.push(command.trim().to_owned());
            }
        }
    }
    wrong
}

/// Whether the first words are a subcommand (or several, `contract compile|explain`) and the options are its own.
fn is_known(mut words: &[&str]) -> bool {
    let mut command = Cli::command();
    while let [word, rest @ ..] = words {
        let mut named = word.split('|').map(|name| command.find_subcommand(name).cloned());
        match named.next() {
            Some(Some(found)) if named.all(|other| other.is_some()) => (command, words) = (found, rest),
            // What is no subcommand is an argument, where subcommands are over.
            _ if command.has_subcommands() => return word.starts_with('-') && ["--help", "--version"].contains(word),
            _ => break,
        }
    }
    words
        .iter()
        .map(|word| word.trim_matches(['[', ']']))
        .filter_map(|word| word.strip_prefix("--"))
        .map(|word| word.split('=').next().unwrap())
        .all(|option| option == "help" || command.get_arguments().any(|known| known.get_long() == Some(option)))
}

#[test]
fn the_commands_in_the_documentation_exist() {
    let good = "```\n$ cargo run -- serve --dev --data x\n./target/debug/tidegate replay --data d --against b | head\ncargo run --release -- demo # why\n```\nand `tidegate contract compile|explain FILE` or `tidegate ledger verify DIR`, not tidegate as such";
    assert_eq!(wrong_commands(good), Vec::<String>::new());
    for bad in [
        "`tidegate frobnicate`",
        "`tidegate ledger burn DIR`",
        "`tidegate contract compile|burn FILE`",
        "`tidegate replay --again`",
        "```\ncargo run --release -- frob\n```",
        "```sh\n$ tidegate serve --prod\n```",
    ] {
        assert_eq!(wrong_commands(bad).len(), 1, "{bad}");
    }
    let mut texts = vec![root().join("README.md")];
    if root().join("docs").is_dir() {
        texts.extend(files(&root().join("docs")));
    }
    for path in texts
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "md") && path.exists())
    {
        let wrong = wrong_commands(&std::fs::read_to_string(path).unwrap());
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
    }
}

#[test]
fn the_alarms_watch_for_lines_that_the_program_writes() {
    let template = std::fs::read_to_string(root().join("deploy/service.yaml")).unwrap();
    let code: String = shipped().into_iter().map(|file| file.code + "\n").collect();
    let begin = "$.message = \"";
    let watched = template
        .split(begin)
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    let watched: Vec<_> = watched.collect();
    assert_eq!(watched.len(), 2);
    for line in watched {
        assert!(code.contains(&format!("\"{line}\"")), "no line of the log says: {line}");
    }
}
