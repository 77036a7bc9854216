//! Bytes to what they say of themselves, held against the schema of their model. Work for a processor: nothing here waits.

use std::sync::Arc;

use crate::ingest::{Claims, DocumentError};
use crate::pcf::{Flaw, Model, Models};

/// A document that is a footprint of its model.
#[derive(Clone, Debug)]
pub struct Sound {
    /// What it says of itself.
    pub claims: Claims,
    /// The version of the model it is valid in.
    pub model: Model,
    /// Its bytes.
    pub document: Vec<u8>,
}

/// Why a document is not a footprint that can be stored.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It is not one, or does not say whose it is.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The schema of its model does not allow it.
    #[error("the document is not valid in version {model} of the aspect model: {}", shown(.flaws))]
    Invalid {
        /// The version it names.
        model: &'static str,
        /// What is wrong, at most [`crate::pcf::MOST_FLAWS`].
        flaws: Vec<Flaw>,
    },
    /// It could not be looked at: a defect.
    #[error("the document could not be looked at")]
    Unread,
}

fn shown(flaws: &[Flaw]) -> String {
    let first = flaws.first().map(ToString::to_string).unwrap_or_default();
    match flaws.len() {
        0 | 1 => first,
        more => format!("{first}, and {} more", more - 1),
    }
}

/// A document that was looked at.
pub type Read = Result<Sound, Unfit>;

/// Looks at one document.
///
/// # Errors
/// Why it cannot be stored.
pub fn read(models: &Models, document: Vec<u8>) -> Read {
    if document.len() > crate::ingest::DOCUMENT_LIMIT {
        return Err(DocumentError::TooLarge(document.len()).into());
    }
    let value = crate::json::parse(&document).map_err(DocumentError::Json)?;
    let claims = Claims::of(&value)?;
    // A version that is taken has a model; were there one without, its documents would not be valid.
    let model = Model::of(&claims.model).ok_or(Unfit::Unread)?;
    let flaws = models.flaws(model, &value);
    match flaws.is_empty() {
        true => Ok(Sound {
            claims,
            model,
            document,
        }),
        false => Err(Unfit::Invalid {
            model: model.version(),
            flaws,
        }),
    }
}

/// Looks at documents on as many threads as there are processors, away from those that answer requests.
pub async fn read_all(models: &Arc<Models>, documents: Vec<Vec<u8>>) -> Vec<Read> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = documents.len().div_ceil(threads).max(1);
    let mut rest = documents.into_iter();
    let mut running = Vec::new();
    loop {
        let part: Vec<_> = rest.by_ref().take(share).collect();
        if part.is_empty() {
            break;
        }
        let (models, count) = (Arc::clone(models), part.len());
        let read = move || {
            part.into_iter()
                .map(|document| read(&models, document))
                .collect::<Vec<_>>()
        };
        running.push((count, tokio::task::spawn_blocking(read)));
    }
    let mut all = Vec::new();
    for (count, part) in running {
        match part.await {
            Ok(part) => all.extend(part),
            Err(error) => {
                tracing::error!(%error, "documents could not be looked at; this is a defect");
                all.extend((0..count).map(|_| Err(Unfit::Unread)));
            }
        }
    }
    all
}
