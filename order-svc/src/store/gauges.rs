//! What the metrics show of the tables.

use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pannier_contracts::ZoneId;
use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_platform::telemetry::gauges::{Gauge, count};
use pannier_platform::{Conn, Refusal};

use super::schema::{orders, payments};

/// Payments in these states may still move by themselves.
const OPEN_PAYMENTS: [PaymentState; 3] = [PaymentState::Initiated, PaymentState::Authorised, PaymentState::Unknown];

/// Reads open orders and payments. By their partial indexes: the cost grows with what is open, not with history.
pub fn read(conn: &mut Conn) -> BoxFuture<'_, Result<Vec<Gauge>, Refusal>> {
    async move {
        let open_orders: Vec<(OrderState, ZoneId, i64)> = orders::table
            .filter(orders::is_open)
            .group_by((orders::state, orders::zone_id))
            .select((orders::state, orders::zone_id, count_star()))
            .load(conn)
            .await?;
        // The index `payments_open` names these states, so they are written out.
        let open_payments: Vec<(PaymentState, i64)> = payments::table
            .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("state IN ('initiated', 'authorised', 'unknown')"))
            .group_by(payments::state)
            .select((payments::state, count_star()))
            .load(conn)
            .await?;
        let of = |state: PaymentState| open_payments.iter().find(|(s, _)| *s == state).map_or(0, |(_, number)| *number);
        Ok(vec![
            Gauge {
                name: "pannier_orders",
                help: "Open orders",
                labels: &["state", "zone"],
                series: open_orders
                    .iter()
                    .map(|(state, zone, number)| (vec![state.to_string(), zone.to_string()], count(*number)))
                    .collect(),
            },
            Gauge {
                name: "pannier_payments",
                help: "Payments that are not final",
                labels: &["state"],
                series: OPEN_PAYMENTS.map(|state| (vec![state.to_string()], count(of(state)))).to_vec(),
            },
            Gauge {
                name: "pannier_payments_unknown",
                help: "Payments with an operation whose outcome is unknown",
                labels: &[],
                series: vec![(Vec::new(), count(of(PaymentState::Unknown)))],
            },
        ])
    }
    .boxed()
}
