//! What the metrics show of the tables.

use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pannier_contracts::ticket::TicketState;
use pannier_platform::telemetry::gauges::{Gauge, count};
use pannier_platform::{Conn, Refusal};

use super::schema::tickets;

/// Reads open tickets, by their partial index.
pub fn read(conn: &mut Conn) -> BoxFuture<'_, Result<Vec<Gauge>, Refusal>> {
    async move {
        let open: Vec<(TicketState, i64)> = tickets::table
            .filter(tickets::is_open)
            .group_by(tickets::state)
            .select((tickets::state, count_star()))
            .load(conn)
            .await?;
        let series = open.iter().map(|(state, number)| (vec![state.to_string()], count(*number))).collect();
        Ok(vec![Gauge { name: "pannier_tickets", help: "Open tickets", labels: &["state"], series }])
    }
    .boxed()
}
