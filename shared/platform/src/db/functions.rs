//! Functions of PostgreSQL that diesel does not know, typed once for all stores.
#![allow(missing_docs, reason = "PostgreSQL documents them; the macro makes more items than are written here")]

use diesel::sql_types::{Integer, Interval, Timestamptz};

#[diesel::declare_sql_function]
extern "SQL" {
    /// The time now, also within a transaction. A condition with it cannot use an index: see [`statement_timestamp()`].
    fn clock_timestamp() -> Timestamptz;
    /// The time at which the statement began. For conditions: an index can be searched for it.
    fn statement_timestamp() -> Timestamptz;
    /// `time - interval`.
    #[sql_name = "timestamptz_mi_interval"]
    fn subtract_interval(time: Timestamptz, interval: Interval) -> Timestamptz;
    /// `time + interval`.
    #[sql_name = "timestamptz_pl_interval"]
    fn add_interval(time: Timestamptz, interval: Interval) -> Timestamptz;
    /// The greater of two numbers.
    fn greatest(a: Integer, b: Integer) -> Integer;
}
