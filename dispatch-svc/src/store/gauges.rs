//! What the metrics show of the tables.

use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pannier_contracts::ZoneId;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::rider::RiderStatus;
use pannier_platform::telemetry::gauges::{Gauge, count};
use pannier_platform::{Conn, Refusal};

use super::schema::{deliveries, riders};

#[derive(QueryableByName)]
struct Ages {
    #[diesel(sql_type = diesel::sql_types::Double)]
    seconds: f64,
}

/// Reads open deliveries and riders on shift, by their partial indexes.
pub fn read(conn: &mut Conn) -> BoxFuture<'_, Result<Vec<Gauge>, Refusal>> {
    async move {
        let open: Vec<(DeliveryState, ZoneId, i64)> = deliveries::table
            .filter(deliveries::is_open)
            .group_by((deliveries::state, deliveries::zone_id))
            .select((deliveries::state, deliveries::zone_id, count_star()))
            .load(conn)
            .await?;
        // The index `riders_on_shift` names this state, so it is written out.
        let on_shift: Vec<(RiderStatus, i64)> = riders::table
            .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("status <> 'offline'"))
            .group_by(riders::status)
            .select((riders::status, count_star()))
            .load(conn)
            .await?;
        // Raw: diesel has no ordered-set aggregates.
        let ages: Vec<Ages> = diesel::sql_query(
            "SELECT extract(epoch FROM age)::float8 AS seconds FROM unnest((
                 SELECT percentile_disc(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (ORDER BY statement_timestamp() - last_seen_at)
                 FROM riders WHERE status <> 'offline')) AS age WHERE age IS NOT NULL",
        )
        .load(conn)
        .await?;
        let quantiles = ["0.5", "0.95", "1"];
        let ages = quantiles.iter().zip(&ages).map(|(quantile, age)| (vec![(*quantile).to_owned()], age.seconds));
        Ok(vec![
            Gauge {
                name: "pannier_position_age_seconds",
                help: "Age of the positions of riders on shift",
                labels: &["quantile"],
                series: ages.collect(),
            },
            Gauge {
                name: "pannier_deliveries",
                help: "Open deliveries",
                labels: &["state", "zone"],
                series: open
                    .iter()
                    .map(|(state, zone, number)| (vec![state.to_string(), zone.to_string()], count(*number)))
                    .collect(),
            },
            Gauge {
                name: "pannier_riders",
                help: "Riders on shift",
                labels: &["status"],
                series: on_shift.iter().map(|(status, number)| (vec![status.to_string()], count(*number))).collect(),
            },
        ])
    }
    .boxed()
}
