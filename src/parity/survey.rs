//! The matrices of worlds, with what all of them together must show.

use crate::bundle::Bundle;
use crate::ids::Digest;

use super::corpus::Corpus;
use super::coverage::{Coverage, coverage};
use super::divergence::Listed;
use super::finding::{Finding, Verdict};
use super::matrix::{Matrix, environments, matrix};

/// Who may do what, in every world.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The bundle that was asked.
    pub bundle: Digest,
    /// One matrix for each world, by name.
    pub matrices: Vec<Matrix>,
    /// What all worlds together show, also where only some are kept.
    pub coverage: Coverage,
}

/// Asks `bundle` everything that can be asked in the worlds of `corpus`.
pub fn survey(bundle: &Bundle, corpus: &Corpus) -> Survey {
    let listed = Listed::of(corpus);
    let worlds = corpus.worlds.values();
    let matrices: Vec<_> = worlds.map(|world| matrix(bundle, world, &listed)).collect();
    let coverage = coverage(&environments(bundle), &matrices, &corpus.exemptions);
    Survey {
        bundle: bundle.digest,
        matrices,
        coverage,
    }
}

impl Survey {
    /// The same with only the world `name`; nothing where there is none. What is covered stays what all worlds cover.
    #[must_use]
    pub fn only(mut self, name: &str) -> Self {
        self.matrices.retain(|matrix| matrix.world == name);
        self
    }

    /// Whether the layers contradict each other nowhere without a listed reason, and everything is shown that must be.
    pub fn holds(&self) -> bool {
        self.mismatches().next().is_none() && self.coverage.findings.is_empty()
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.matrices.iter().all(|matrix| matrix.tables.is_empty())
    }

    /// Every contradiction that nothing explains: the world, the request and what is wrong.
    pub fn mismatches(&self) -> impl Iterator<Item = (&str, String, &Finding)> {
        self.matrices.iter().flat_map(|matrix| {
            matrix.cells().filter_map(|(table, row, resource, cell)| {
                let (_, action, _) = table.environment;
                let finding = cell.finding.as_ref()?;
                let mut request = format!("{} {action} {resource}", row.actor);
                if let Some(agreement) = &row.agreement {
                    request.push_str(&format!(" under {agreement}"));
                }
                Some((matrix.world.as_str(), request, finding))
            })
        })
    }

    /// How many cells have each verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        let cells = self.matrices.iter().flat_map(Matrix::cells);
        cells.filter(|(.., cell)| cell.verdict == verdict).count()
    }
}
