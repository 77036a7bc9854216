//! The registry's tables.
//!
//! `version` has one row: how often what decides was changed. Each row that decides has the number of the change that wrote it last; a
//! tenant's row also that of its offers, which are replaced together and may go. So what is newer than a number that one knows is found
//! without looking at anything else ([`super::changes`]). The row of `twin_rules` of a tenant that has none any more has no document. `papers`, `ending`, `history` and the column `uses` decide nothing.

use crate::database::{Layout, Step};

pub(super) const LAYOUT: Layout = Layout {
    file: super::FILE,
    schema: "tidegate_registry",
    sqlite: &[
        // A file of before kept agreements in another shape, and only such as a document brings at every start.
        Step::Sql(
            "
DROP TABLE IF EXISTS agreement;
CREATE TABLE IF NOT EXISTS tenant (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS partner (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS footprint (tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE IF NOT EXISTS asset (tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE IF NOT EXISTS relation (tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE IF NOT EXISTS terms (digest TEXT PRIMARY KEY, normal TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS agreement (provider TEXT NOT NULL, id TEXT NOT NULL, consumer TEXT NOT NULL, asset TEXT NOT NULL,
  terms TEXT NOT NULL REFERENCES terms (digest), signed_at TEXT NOT NULL, signed TEXT, state TEXT NOT NULL,
  changed_at TEXT NOT NULL, reason TEXT, uses INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (provider, id)) STRICT;
CREATE TABLE IF NOT EXISTS papers (provider TEXT NOT NULL, id TEXT NOT NULL, claims TEXT, odrl TEXT NOT NULL,
  PRIMARY KEY (provider, id)) STRICT;
CREATE TABLE IF NOT EXISTS ending (provider TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (provider, id)) STRICT;
CREATE TABLE IF NOT EXISTS offer (provider TEXT NOT NULL, id TEXT NOT NULL, asset TEXT NOT NULL,
  access_odrl TEXT NOT NULL, usage_odrl TEXT NOT NULL, PRIMARY KEY (provider, id)) STRICT;
",
        ),
        Step::Columns(&[
            ("tenant", "version", "INTEGER NOT NULL DEFAULT 0"),
            ("tenant", "offers", "INTEGER NOT NULL DEFAULT 0"),
            ("partner", "version", "INTEGER NOT NULL DEFAULT 0"),
            ("footprint", "version", "INTEGER NOT NULL DEFAULT 0"),
            ("asset", "version", "INTEGER NOT NULL DEFAULT 0"),
            ("relation", "version", "INTEGER NOT NULL DEFAULT 0"),
            ("agreement", "version", "INTEGER NOT NULL DEFAULT 0"),
        ]),
        Step::Sql(
            "
CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL) STRICT;
INSERT INTO version VALUES (1, 0);
CREATE INDEX tenant_version ON tenant (version);
CREATE INDEX tenant_offers ON tenant (offers);
CREATE INDEX partner_version ON partner (version);
CREATE INDEX footprint_version ON footprint (version);
CREATE INDEX asset_version ON asset (version);
CREATE INDEX relation_version ON relation (version);
CREATE INDEX agreement_version ON agreement (version);
",
        ),
        Step::Sql(
            "
CREATE TABLE integration (tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)) STRICT;
CREATE INDEX integration_version ON integration (version);
",
        ),
        Step::Sql(
            "
CREATE TABLE history (tenant TEXT NOT NULL, pcf TEXT NOT NULL, number INTEGER NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, pcf, number)) STRICT, WITHOUT ROWID;
",
        ),
        Step::Sql(
            "
CREATE TABLE twin_rules (tenant TEXT PRIMARY KEY, document TEXT, version INTEGER NOT NULL) STRICT;
CREATE INDEX twin_rules_version ON twin_rules (version);
",
        ),
    ],
    // Names are compared byte by byte: an index in the order of a language is broken by an update of the system's C library.
    postgres: &["
CREATE TABLE tenant (id TEXT COLLATE \"C\" PRIMARY KEY, document TEXT NOT NULL, version BIGINT NOT NULL,
  offers BIGINT NOT NULL DEFAULT 0);
CREATE TABLE partner (id TEXT COLLATE \"C\" PRIMARY KEY, document TEXT NOT NULL, version BIGINT NOT NULL);
CREATE TABLE footprint (tenant TEXT COLLATE \"C\" NOT NULL, id TEXT COLLATE \"C\" NOT NULL, document TEXT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (tenant, id));
CREATE TABLE asset (tenant TEXT COLLATE \"C\" NOT NULL, id TEXT COLLATE \"C\" NOT NULL, document TEXT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (tenant, id));
CREATE TABLE relation (tenant TEXT COLLATE \"C\" NOT NULL, id TEXT COLLATE \"C\" NOT NULL, document TEXT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (tenant, id));
CREATE TABLE terms (digest TEXT COLLATE \"C\" PRIMARY KEY, normal TEXT NOT NULL);
CREATE TABLE agreement (provider TEXT COLLATE \"C\" NOT NULL, id TEXT COLLATE \"C\" NOT NULL, consumer TEXT NOT NULL,
  asset TEXT NOT NULL, terms TEXT COLLATE \"C\" NOT NULL REFERENCES terms (digest), signed_at TEXT NOT NULL, signed TEXT,
  state TEXT NOT NULL, changed_at TEXT NOT NULL, reason TEXT, uses BIGINT NOT NULL DEFAULT 0, version BIGINT NOT NULL,
  PRIMARY KEY (provider, id));
CREATE TABLE papers (provider TEXT COLLATE \"C\" NOT NULL, id TEXT COLLATE \"C\" NOT NULL, claims TEXT, odrl TEXT NOT NULL,
  PRIMARY KEY (provider, id));
CREATE TABLE ending (provider TEXT COLLATE \"C\" NOT NULL, id TEXT COLLATE \"C\" NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (provider, id));
CREATE TABLE offer (provider TEXT COLLATE \"C\" NOT NULL, id TEXT COLLATE \"C\" NOT NULL, asset TEXT NOT NULL,
  access_odrl TEXT NOT NULL, usage_odrl TEXT NOT NULL, PRIMARY KEY (provider, id));
CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 1), number BIGINT NOT NULL);
INSERT INTO version VALUES (1, 0);
CREATE INDEX tenant_version ON tenant (version);
CREATE INDEX tenant_offers ON tenant (offers);
CREATE INDEX partner_version ON partner (version);
CREATE INDEX footprint_version ON footprint (version);
CREATE INDEX asset_version ON asset (version);
CREATE INDEX relation_version ON relation (version);
CREATE INDEX agreement_version ON agreement (version);
", "
CREATE TABLE integration (tenant TEXT COLLATE \"C\" NOT NULL, id TEXT COLLATE \"C\" NOT NULL, document TEXT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (tenant, id));
CREATE INDEX integration_version ON integration (version);
",
"
CREATE TABLE history (tenant TEXT COLLATE \"C\" NOT NULL, pcf TEXT COLLATE \"C\" NOT NULL, number BIGINT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, pcf, number));
",
"
CREATE TABLE twin_rules (tenant TEXT COLLATE \"C\" PRIMARY KEY, document TEXT, version BIGINT NOT NULL);
CREATE INDEX twin_rules_version ON twin_rules (version);
"],
};
