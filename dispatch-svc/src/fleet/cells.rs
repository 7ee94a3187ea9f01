//! Cells and rings of cells.

use h3o::{CellIndex, LatLng, Resolution};
use pannier_contracts::Place;

/// About 5 km²: some hundred riders on a busy evening, a thousand at most.
const RESOLUTION: Resolution = Resolution::Seven;

/// The cell of a place.
#[must_use]
pub fn of(place: &Place) -> CellIndex {
    // A place's coordinates are finite by construction, which is all that H3 asks for.
    LatLng::new(place.lat(), place.lng()).unwrap_or_default().to_cell(RESOLUTION)
}

/// A cell's name in keys and rows.
#[must_use]
pub fn name(cell: CellIndex) -> String {
    cell.to_string()
}

/// The cells at exactly `k` steps.
#[must_use]
pub fn ring(centre: CellIndex, k: u32) -> Vec<CellIndex> {
    if k == 0 { vec![centre] } else { centre.grid_ring(k) }
}

/// Everything within so many metres of any place in `centre` lies in the first `k` rings.
///
/// From a corner of the centre, one ring reaches as far as an edge, and every further ring at least one and a half edges
/// more. Edges differ a little from cell to cell, hence the margin.
#[must_use]
pub fn covered_m(centre: CellIndex, k: u32) -> f64 {
    let edge_m = centre.edges().map(h3o::DirectedEdgeIndex::length_m).fold(f64::INFINITY, f64::min);
    if k == 0 || !edge_m.is_finite() {
        return 0.0;
    }
    0.9 * edge_m * (1.0 + 1.5 * f64::from(k - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_nearer_than_covered_is_in_the_rings(
            lat in -60.0..60.0f64, lng in -179.0..179.0f64, bearing in 0.0..std::f64::consts::TAU,
            part in 0.0..1.0f64, k in 1u32..5,
        ) {
            let from = Place::new(lat, lng).unwrap();
            let centre = of(&from);
            let metres = covered_m(centre, k) * part;
            let north = metres * bearing.cos() / 111_195.0;
            let east = metres * bearing.sin() / (111_195.0 * lat.to_radians().cos());
            let to = Place::new(lat + north, lng + east).unwrap();
            // The flat step is not exactly as long on the sphere.
            prop_assume!(from.distance_m(&to) <= covered_m(centre, k));
            let disk: Vec<CellIndex> = (0..=k).flat_map(|k| ring(centre, k)).collect();
            prop_assert!(disk.contains(&of(&to)));
        }
    }

    #[test]
    fn three_rings_are_a_few_kilometres() {
        let berlin = of(&Place::new(52.52, 13.4).unwrap());
        assert_eq!((ring(berlin, 0).len(), ring(berlin, 1).len(), ring(berlin, 3).len()), (1, 6, 18));
        assert!((3_000.0..6_000.0).contains(&covered_m(berlin, 3)), "{}", covered_m(berlin, 3));
    }
}
