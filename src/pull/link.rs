//! Where the next page is: the header `Link` (RFC 8288), and which addresses in it are gone to.
//!
//! What a page says of the next one is a stranger's word, and the credentials of the company go along with each request. So the next page
//! is where the first one was, by scheme, host and port, or the run ends there. A header that does not read ends it as well: were it
//! passed over, pages would be missing, and nobody would be told.

use url::Url;

/// The longest address of a page, in bytes.
const LONGEST: usize = 8 * 1024;

/// Why a page does not say where the next one is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The header does not read.
    #[error("the header `Link` does not read: expected `<address>; rel=\"next\"` (RFC 8288)")]
    Form,
    /// Two addresses, and neither is the next.
    #[error("the answer names two next pages")]
    Two,
    /// It is no address.
    #[error("the address of the next page is none")]
    Address,
    /// Elsewhere.
    #[error("the next page is at another origin, {other}; with this company's credentials only {own} is asked")]
    Origin {
        /// Where it is said to be.
        other: String,
        /// Where the first page is.
        own: String,
    },
}

/// The target of the link to the next page, where there is one. `headers` are the values of all headers of the name.
///
/// # Errors
/// The headers do not read, or lead to two places.
pub fn next(headers: &[String]) -> Result<Option<String>, LinkError> {
    let mut found: Option<String> = None;
    for header in headers {
        let mut rest = Rest(header);
        rest.space();
        while !rest.0.is_empty() {
            // An empty element of a list says nothing (RFC 9110, section 5.6.1).
            if rest.eat(',') {
                rest.space();
                continue;
            }
            let link = rest.link()?;
            let is_next = link.rel.is_some_and(|rel| is_among(&rel, "next"));
            // With an anchor it says what comes after something else.
            if is_next && !link.anchored {
                match &found {
                    Some(other) if *other != link.target => return Err(LinkError::Two),
                    _ => found = Some(link.target),
                }
            }
            rest.space();
            if !rest.0.is_empty() && !rest.eat(',') {
                return Err(LinkError::Form);
            }
            rest.space();
        }
    }
    Ok(found)
}

fn is_among(names: &str, name: &str) -> bool {
    names
        .split_ascii_whitespace()
        .any(|known| known.eq_ignore_ascii_case(name))
}

struct Link {
    target: String,
    /// The first parameter of this name; others of it do not count (RFC 8288, section 3.3).
    rel: Option<String>,
    anchored: bool,
}

/// What of a header is still to be read.
struct Rest<'h>(&'h str);

impl<'h> Rest<'h> {
    fn space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn eat(&mut self, letter: char) -> bool {
        let rest = self.0.strip_prefix(letter);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn link(&mut self) -> Result<Link, LinkError> {
        if !self.eat('<') {
            return Err(LinkError::Form);
        }
        let (target, rest) = self.0.split_once('>').ok_or(LinkError::Form)?;
        self.0 = rest;
        let mut link = Link {
            target: target.to_owned(),
            rel: None,
            anchored: false,
        };
        loop {
            self.space();
            if !self.eat(';') {
                return Ok(link);
            }
            self.space();
            let name = self.token();
            if name.is_empty() {
                // `;` at the end is written, though the grammar does not have it.
                continue;
            }
            self.space();
            let value = match self.eat('=') {
                true => {
                    self.space();
                    self.value()?
                }
                false => String::new(),
            };
            if name.eq_ignore_ascii_case("rel") {
                link.rel.get_or_insert(value);
            } else if name.eq_ignore_ascii_case("anchor") {
                link.anchored = true;
            }
        }
    }

    fn token(&mut self) -> &'h str {
        let is_in = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
        let end = self.0.find(|letter| !is_in(letter)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        token
    }

    fn value(&mut self) -> Result<String, LinkError> {
        if !self.eat('"') {
            return Ok(self.token().to_owned());
        }
        let mut value = String::new();
        let mut letters = self.0.chars();
        loop {
            match letters.next().ok_or(LinkError::Form)? {
                '"' => break,
                '\\' => value.push(letters.next().ok_or(LinkError::Form)?),
                letter => value.push(letter),
            }
        }
        self.0 = letters.as_str();
        Ok(value)
    }
}

/// The address that `text` means on the page at `page`, where it is one that is gone to: at the origin of `first`.
///
/// # Errors
/// It is none, or at another origin.
pub fn address(first: &Url, page: &Url, text: &str) -> Result<Url, LinkError> {
    let mut url = page.join(text).map_err(|_| LinkError::Address)?;
    if url.origin() != first.origin() || !url.origin().is_tuple() {
        return Err(LinkError::Origin {
            other: url.origin().ascii_serialization(),
            own: first.origin().ascii_serialization(),
        });
    }
    if !url.username().is_empty() || url.password().is_some() || url.as_str().len() > LONGEST {
        return Err(LinkError::Address);
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests;
