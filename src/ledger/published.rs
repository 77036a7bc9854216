//! A log as it is published: a checkpoint and tiles, in a directory or below a URL ([C2SP tlog-tiles](https://c2sp.org/tlog-tiles)).

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::LedgerError;
use super::tile::TileId;
use crate::answer;
use crate::causes::with_causes;

/// The greatest size of anything that is read: a full bundle of the greatest records.
const MAX_BYTES: usize = 256 * (65_535 + 2);

/// The file beside a checkpoint in a directory, with the newest that witnesses cosigned.
pub(super) const COSIGNED: &str = "cosigned";

/// Where the changes of a log's key are: notes, as a JSON array of strings.
pub(super) const KEY_CHANGES: &str = "key-changes";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a log is published.
#[derive(Clone, Debug)]
pub struct Published(At);

#[derive(Clone)]
enum At {
    Directory(PathBuf),
    Url {
        client: reqwest::Client,
        base: String,
        token: Option<secrecy::SecretString>,
    },
}

impl std::fmt::Debug for At {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => path.fmt(formatter),
            Self::Url { base, .. } => base.fmt(formatter),
        }
    }
}

impl Published {
    /// In a directory.
    pub fn directory(path: PathBuf) -> Self {
        Self(At::Directory(path))
    }

    /// Below a URL, such as `https://tidegate.example/ledger/BPNL000000000DWF`; with a bearer token, where it takes one.
    ///
    /// # Errors
    ///
    /// The client cannot be made.
    pub fn url(url: &str, token: Option<secrecy::SecretString>) -> Result<Self, LedgerError> {
        let base = url.trim_end_matches('/').to_owned();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none());
        let client = client.build().map_err(|error| failed(&base, &error))?;
        Ok(Self(At::Url { client, base, token }))
    }

    /// The checkpoint, as a signed note.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be read.
    pub async fn checkpoint(&self) -> Result<String, LedgerError> {
        let what = || format!("{:?}/checkpoint", self.0);
        let bytes = self.read("checkpoint").await?;
        let bytes = bytes.ok_or_else(|| LedgerError::Unpublished { what: what() })?;
        String::from_utf8(bytes).map_err(|_| super::note::NoteError::Form.into())
    }

    /// In a directory, the newest checkpoint that witnesses cosigned, where that is kept beside the latest. What is served has no
    /// other than the one it shows.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(super) async fn cosigned(&self) -> Result<Option<String>, LedgerError> {
        let bytes = match &self.0 {
            At::Directory(_) => self.read(COSIGNED).await?,
            At::Url { .. } => None,
        };
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|_| super::note::NoteError::Form.into())
    }

    /// The changes of the log's key, the first one first; none where it has always had the one. Nothing of them is believed yet; see
    /// [`KeyHistory`](super::succession::KeyHistory).
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub async fn key_changes(&self) -> Result<Vec<String>, LedgerError> {
        let Some(bytes) = self.read(KEY_CHANGES).await? else {
            return Ok(Vec::new());
        };
        serde_json::from_slice(&bytes).map_err(|_| LedgerError::Unpublished {
            what: format!("{:?}/{KEY_CHANGES}", self.0),
        })
    }

    /// A tile; `None` where it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub async fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, LedgerError> {
        self.read(&id.to_string()).await
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        match &self.0 {
            At::Directory(directory) => read_file(&directory.join(path), MAX_BYTES),
            At::Url { client, base, token } => fetch(client, &format!("{base}/{path}"), token.as_ref()).await,
        }
    }
}

/// Reads a file that somebody else wrote: a plain one of no more than so many bytes; `None` where there is none.
pub(super) fn read_file(path: &Path, most: usize) -> Result<Option<Vec<u8>>, LedgerError> {
    let read = || {
        // Not through links, and nothing that could keep whoever opens it waiting.
        if !std::fs::symlink_metadata(path)?.is_file() {
            return Err(std::io::Error::other("it is not a plain file"));
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(most as u64 + 1)
            .read_to_end(&mut bytes)?;
        match bytes.len() > most {
            true => Err(std::io::Error::other(format!("it is greater than {most} bytes"))),
            false => Ok(bytes),
        }
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LedgerError::io("read", path)(error)),
    }
}

async fn fetch(
    client: &reqwest::Client,
    url: &str,
    token: Option<&secrecy::SecretString>,
) -> Result<Option<Vec<u8>>, LedgerError> {
    let mut request = client.get(url);
    if let Some(token) = token {
        request = request.bearer_auth(secrecy::ExposeSecret::expose_secret(token));
    }
    let response = request.send().await.map_err(|error| failed(url, &error))?;
    match response.status().as_u16() {
        200 => {}
        404 => return Ok(None),
        status => {
            let why = match status {
                401 => "HTTP 401: it takes a bearer token of someone who may read the log".to_owned(),
                403 => "HTTP 403: the token's bearer may not read the log".to_owned(),
                status => format!("HTTP {status}"),
            };
            let (what, why) = (url.to_owned(), Arc::from(why));
            return Err(LedgerError::Fetch { what, why });
        }
    }
    let body = answer::body(response, MAX_BYTES).await;
    let body = body.map_err(|error| failed(url, &error))?;
    body.map(Some).ok_or_else(|| LedgerError::Fetch {
        what: url.to_owned(),
        why: Arc::from("it is greater than anything of a log can be"),
    })
}

fn failed(what: &str, error: &reqwest::Error) -> LedgerError {
    LedgerError::Fetch {
        what: what.to_owned(),
        why: with_causes(error).into(),
    }
}
