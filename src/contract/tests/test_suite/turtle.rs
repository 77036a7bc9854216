//! As much of Turtle as the test suite is written in: prefixed names, IRIs and texts, with `;`, `,` and `.`.

#![allow(
    clippy::string_slice,
    reason = "a test fails by panicking; the lint exempts only functions marked as tests"
)]

/// Triples, each node as it is written: a prefixed name, an IRI without its brackets, a text without quotes and type.
#[derive(Default)]
pub(super) struct Graph(Vec<(String, String, String)>);

impl Graph {
    /// Adds the triples of a text.
    pub(super) fn read(&mut self, text: &str) {
        let mut tokens = tokens(text).into_iter().peekable();
        while let Some(subject) = tokens.next() {
            if subject == "@prefix" {
                while tokens.next().is_some_and(|token| token != ".") {}
                continue;
            }
            let mut predicate = tokens.next().unwrap();
            loop {
                let object = tokens.next().unwrap();
                self.0.push((subject.clone(), predicate.clone(), object));
                match tokens.next().as_deref() {
                    Some(",") => {}
                    Some(";") if tokens.peek().is_some_and(|token| token == ".") => drop(tokens.next()),
                    Some(";") => {
                        predicate = tokens.next().unwrap();
                        continue;
                    }
                    Some(".") => break,
                    other => panic!("after a triple of {subject}: {other:?}"),
                }
            }
        }
    }

    /// The objects of a subject and a predicate.
    pub(super) fn all(&self, subject: &str, predicate: &str) -> impl Iterator<Item = &str> {
        let found = self
            .0
            .iter()
            .filter(move |triple| triple.0 == subject && triple.1 == predicate);
        found.map(|triple| triple.2.as_str())
    }

    /// The first of them.
    pub(super) fn one(&self, subject: &str, predicate: &str) -> Option<&str> {
        self.all(subject, predicate).next()
    }

    /// The subjects with a predicate and an object.
    pub(super) fn subjects(&self, predicate: &str, object: &str) -> impl Iterator<Item = &str> {
        let found = self
            .0
            .iter()
            .filter(move |triple| triple.1 == predicate && triple.2 == object);
        found.map(|triple| triple.0.as_str())
    }
}

fn tokens(text: &str) -> Vec<String> {
    let text = format!("{text}\n");
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '<' => rest.find('>').unwrap() + 1,
            '"' => {
                let close = rest[1..].find('"').unwrap() + 2;
                // The type of a text is not needed: all are texts or date-times.
                close + rest[close..].find([';', ',', ' ', '\n']).unwrap()
            }
            ';' | ',' | '.' => 1,
            _ => {
                let end = rest.find([';', ',', ' ', '\n', '\t']).unwrap();
                end - usize::from(rest[..end].ends_with('.'))
            }
        };
        let (token, after) = rest.split_at(end);
        let token = match first {
            '<' => token.trim_matches(['<', '>']).to_owned(),
            '"' => {
                let ends_sentence = token.ends_with('.');
                tokens.push(token[1..].split('"').next().unwrap().to_owned());
                if ends_sentence {
                    tokens.push(".".to_owned());
                }
                rest = after.trim_start();
                continue;
            }
            _ => token.to_owned(),
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}
