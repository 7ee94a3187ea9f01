//! H3 cells: the unit of Redis keys, and the coarse place of a rider in PostgreSQL.

use h3o::{CellIndex, LatLng, Resolution};
use pannier_contracts::Place;

/// About 5 km² a cell: some hundred riders on a busy evening, a thousand at most.
const RESOLUTION: Resolution = Resolution::Seven;

/// The cell of a place.
#[must_use]
pub fn of(place: &Place) -> CellIndex {
    // H3 only rejects coordinates that are not finite, and those of a `Place` are.
    LatLng::new(place.lat(), place.lng()).unwrap_or_default().to_cell(RESOLUTION)
}

/// A cell as Redis keys and rows name it: its H3 index, hexadecimal.
#[must_use]
pub fn name(cell: CellIndex) -> String {
    cell.to_string()
}

/// All cells that have a point within `metres` of a place, and perhaps some just beyond.
#[must_use]
pub fn within(centre: &Place, metres: f64) -> Vec<CellIndex> {
    let home = of(centre);
    let edges: Vec<f64> = home.edges().map(h3o::DirectedEdgeIndex::length_m).collect();
    let (shortest, longest) = edges.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), m| (low.min(*m), high.max(*m)));
    // Edges of neighbouring cells differ by some per cent, hence the margins.
    let (shortest, corner_m) = (0.9 * shortest, 1.2 * longest);
    // From a corner of the home cell, the first ring reaches one edge length, and each further ring one and a half more.
    let rings = 1.0 + ((metres / shortest - 1.0) / 1.5).ceil().max(0.0);
    let disk: Vec<CellIndex> = home.grid_disk(rings as u32);
    disk.into_iter().filter(|cell| *cell == home || centre_of(*cell).distance_m(centre) <= metres + corner_m).collect()
}

fn centre_of(cell: CellIndex) -> Place {
    let centre = LatLng::from(cell);
    Place::new(centre.lat(), centre.lng()).unwrap_or_else(|_| unreachable!("a cell is on the earth"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_place_within_reach_is_in_one_of_the_cells(
            lat in -60.0..60.0f64, lng in -179.0..179.0f64, bearing in 0.0..std::f64::consts::TAU,
            part in 0.0..1.0f64, reach_m in 100.0..20_000.0f64,
        ) {
            let from = Place::new(lat, lng).unwrap();
            let metres = reach_m * part;
            let north = metres * bearing.cos() / 111_195.0;
            let east = metres * bearing.sin() / (111_195.0 * lat.to_radians().cos());
            let to = Place::new(lat + north, lng + east).unwrap();
            // The flat step is not exactly as long on the sphere.
            prop_assume!(from.distance_m(&to) <= reach_m);
            prop_assert!(within(&from, reach_m).contains(&of(&to)));
        }
    }

    #[test]
    fn the_number_of_cells_grows_with_the_area() {
        let berlin = Place::new(52.52, 13.4).unwrap();
        let counts = [500.0, 2_000.0, 5_000.0].map(|metres| within(&berlin, metres).len());
        assert!(counts[0] <= 7 && counts[1] <= 19 && counts[2] <= 37, "{counts:?}");
    }
}
