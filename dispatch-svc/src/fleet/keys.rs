//! The Redis keys, one function each. The braces are hash tags: in a Redis cluster the keys of one cell are in one slot, and
//! the cells of a city are spread over all slots.

use h3o::CellIndex;
use pannier_contracts::RiderId;
use pannier_platform::Namespace;

/// The keys of one namespace.
#[derive(Debug, Clone)]
pub struct Keys(Namespace);

impl Keys {
    /// Keys under `namespace`.
    #[must_use]
    pub const fn new(namespace: Namespace) -> Self {
        Self(namespace)
    }

    /// GEO set of the riders in a cell: member → position.
    #[must_use]
    pub fn geo(&self, cell: CellIndex) -> String {
        self.0.of(&format!("fleet:{{{cell}}}:geo"))
    }

    /// Sorted set of the riders in a cell: member → when their position reached this service, milliseconds since 1970.
    #[must_use]
    pub fn seen(&self, cell: CellIndex) -> String {
        self.0.of(&format!("fleet:{{{cell}}}:seen"))
    }

    /// Hash of a rider: the newest `seq` and its `cell`. All processes decide by it whether a position is new.
    #[must_use]
    pub fn rider(&self, rider: RiderId) -> String {
        self.0.of(&format!("fleet:rider:{{{}}}", rider.0.simple()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_cell_share_their_slot() {
        let keys = Keys::new("t1".to_owned().try_into().unwrap());
        let cell = crate::domain::cells::of(&pannier_contracts::Place::new(52.52, 13.4).unwrap());
        assert_eq!(keys.geo(cell), format!("t1.fleet:{{{cell}}}:geo"));
        assert_eq!(keys.seen(cell), format!("t1.fleet:{{{cell}}}:seen"));
    }
}
