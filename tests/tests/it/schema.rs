//! Every `schema.rs` is generated from the migrated database. This test generates them again and compares.
//!
//! After a new migration: `PANNIER_UPDATE_SCHEMA=1 ./pannier test -- schema` writes the files.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use diesel::sql_types::{Bool, Int4, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use pannier_testkit::{Servers, TestDb};

/// Schema, file, and the folder of `migrations/` that its tables come from. The platform's tables are the same in all
/// three schemas.
const FILES: [(&str, &str, &str); 4] = [
    ("orders", "shared/platform/src/schema.rs", "platform"),
    ("orders", "order-svc/src/store/schema.rs", "order"),
    ("merchant", "merchant-svc/src/store/schema.rs", "merchant"),
    ("dispatch", "dispatch-svc/src/store/schema.rs", "dispatch"),
];

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql_type: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
    /// The position of the column in the primary key, if it is part of it.
    #[diesel(sql_type = Nullable<Int4>)]
    in_key: Option<i32>,
}

#[derive(QueryableByName)]
struct ForeignKey {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    column: String,
    #[diesel(sql_type = Text)]
    parent: String,
}

/// One schema of the database.
struct Schema {
    columns: Vec<Column>,
    foreign_keys: Vec<ForeignKey>,
}

impl Schema {
    async fn read(conn: &mut AsyncPgConnection, name: &str) -> Self {
        let columns = sql_query(
            "SELECT t.relname::text AS \"table\", a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS sql_type,
                    NOT a.attnotnull AS nullable, array_position(k.indkey::int2[], a.attnum) AS in_key
             FROM pg_class t
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
             JOIN pg_index k ON k.indrelid = t.oid AND k.indisprimary
             WHERE t.relnamespace = $1::regnamespace AND t.relkind = 'r' AND t.relname <> '__diesel_schema_migrations'
             ORDER BY t.relname, a.attnum",
        )
        .bind::<Text, _>(name)
        .load(conn)
        .await
        .unwrap();
        let foreign_keys = sql_query(
            "SELECT t.relname::text AS \"table\", a.attname::text AS \"column\", p.relname::text AS parent
             FROM pg_constraint f
             JOIN pg_class t ON t.oid = f.conrelid
             JOIN pg_class p ON p.oid = f.confrelid
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ALL (f.conkey)
             WHERE f.contype = 'f' AND f.connamespace = $1::regnamespace
             ORDER BY t.relname, a.attname",
        )
        .bind::<Text, _>(name)
        .load(conn)
        .await
        .unwrap();
        Self { columns, foreign_keys }
    }

    fn tables(&self) -> BTreeSet<&str> {
        self.columns.iter().map(|column| column.table.as_str()).collect()
    }

    /// `schema.rs` with these tables, formatted as rustfmt leaves it.
    fn print(&self, tables: &BTreeSet<&str>, migrations: &str) -> String {
        let mut out = format!(
            "//! Generated from the database that `migrations/{migrations}` makes. Do not edit: write a migration, then run\n\
             //! `PANNIER_UPDATE_SCHEMA=1 ./pannier test -- schema`.\n\
             #![allow(missing_docs, reason = \"the migrations document the tables\")]\n\n"
        );
        for table in tables {
            self.print_table(&mut out, table);
        }
        for ForeignKey { table, column, parent } in &self.foreign_keys {
            if tables.contains(table.as_str()) {
                writeln!(out, "diesel::joinable!({table} -> {parent} ({column}));").unwrap();
            }
        }
        let names = tables.iter().copied().collect::<Vec<_>>();
        let line = format!("diesel::allow_tables_to_appear_in_same_query!({});\n", names.join(", "));
        if line.trim_end().len() <= 120 {
            out.push_str(&line);
        } else {
            let lines = names.join(",\n    ");
            writeln!(out, "diesel::allow_tables_to_appear_in_same_query!(\n    {lines}\n);").unwrap();
        }
        out
    }

    fn print_table(&self, out: &mut String, table: &str) {
        let columns = || self.columns.iter().filter(|column| column.table == table);
        let mut key: Vec<_> = columns().filter(|column| column.in_key.is_some()).collect();
        key.sort_by_key(|column| column.in_key);
        let key: Vec<_> = key.iter().map(|column| rust_name(&column.name)).collect();
        writeln!(out, "diesel::table! {{\n    {table} ({}) {{", key.join(", ")).unwrap();
        for Column { name, sql_type, nullable, .. } in columns() {
            let rust_name = rust_name(name);
            let Some(diesel_type) = diesel_type(sql_type) else {
                writeln!(out, "        // {name} is left out: diesel has no type for {sql_type}.").unwrap();
                continue;
            };
            if rust_name != name {
                writeln!(out, "        #[sql_name = \"{name}\"]").unwrap();
            }
            if *nullable {
                writeln!(out, "        {rust_name} -> Nullable<{diesel_type}>,").unwrap();
            } else {
                writeln!(out, "        {rust_name} -> {diesel_type},").unwrap();
            }
        }
        out.push_str("    }\n}\n\n");
    }
}

/// `type` is a Rust keyword. The column is called `kind`, as in [`pannier_contracts::Envelope`].
fn rust_name(column: &str) -> &str {
    if column == "type" { "kind" } else { column }
}

/// The diesel type for a PostgreSQL type. `None` if diesel has none.
fn diesel_type(sql_type: &str) -> Option<&'static str> {
    Some(match sql_type {
        "bigint" => "BigInt",
        "boolean" => "Bool",
        "double precision" => "Double",
        "integer" => "Integer",
        "json" => "Json",
        "jsonb" => "Jsonb",
        "smallint" => "SmallInt",
        "text" => "Text",
        "timestamp with time zone" => "Timestamptz",
        "uuid" => "Uuid",
        "pg_snapshot" | "xid8" => return None,
        _ => panic!("add {sql_type} to diesel_type in {}", file!()),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_schema_rs_is_what_the_migrated_database_has() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let mut conn = db.connect().await;
    let mut schemas = Vec::new();
    for (name, ..) in FILES {
        schemas.push(Schema::read(&mut conn, name).await);
    }
    let shared = schemas.iter().map(Schema::tables).reduce(|a, b| &a & &b).unwrap();

    let is_update = std::env::var_os("PANNIER_UPDATE_SCHEMA").is_some_and(|value| !value.is_empty());
    let mut differences = String::new();
    for (schema, (_, file, migrations)) in schemas.iter().zip(FILES) {
        let tables = if migrations == "platform" { shared.clone() } else { &schema.tables() - &shared };
        let generated = schema.print(&tables, migrations);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        if is_update {
            std::fs::write(path, generated).unwrap();
            continue;
        }
        let written = std::fs::read_to_string(path).unwrap();
        if written != generated {
            let diff = similar::TextDiff::from_lines(&written, &generated);
            write!(differences, "{}", diff.unified_diff().header(file, "the migrated database")).unwrap();
        }
    }
    assert!(
        differences.is_empty(),
        "{differences}\nWrite the files with PANNIER_UPDATE_SCHEMA=1 ./pannier test -- schema"
    );
    db.remove(&servers).await;
}
