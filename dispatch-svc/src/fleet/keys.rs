//! Every Redis key, one function each. The braces are hash tags: what is used together lies in one slot of a cluster,
//! and a city spreads over all of them.

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

    /// GEO set: rider → where, of the riders in a cell.
    #[must_use]
    pub fn geo(&self, cell: CellIndex) -> String {
        self.0.of(&format!("fleet:{{{cell}}}:geo"))
    }

    /// Sorted set: rider → when last heard of, milliseconds since 1970 by our clock, of the riders in a cell.
    #[must_use]
    pub fn seen(&self, cell: CellIndex) -> String {
        self.0.of(&format!("fleet:{{{cell}}}:seen"))
    }

    /// Hash: a rider's newest `seq` and the `cell` that they are in. Decides which ping is older, whichever process got it.
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
        let cell = crate::fleet::cells::of(&pannier_contracts::Place::new(52.52, 13.4).unwrap());
        assert_eq!(keys.geo(cell), format!("t1.fleet:{{{cell}}}:geo"));
        assert_eq!(keys.seen(cell), format!("t1.fleet:{{{cell}}}:seen"));
    }
}
