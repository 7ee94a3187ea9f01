//! The lifecycle of a rider's shift.

use pannier_contracts::{lifecycle, text_enum};

use crate::domain::deadlines::kind;

text_enum! {
    /// What can happen to a rider's shift.
    pub enum ShiftTrigger {
        /// The shift begins, or a pause ends.
        GoOnline => "go_online",
        /// No new offers from here on.
        Pause => "pause",
        /// The shift ends.
        GoOffline => "go_offline",
    }
}

lifecycle! {
    /// The lifecycle of a rider's shift.
    pub struct ShiftLifecycle is "rider";
    states pannier_contracts::rider::RiderStatus;
    triggers crate::domain::lifecycle::ShiftTrigger;
    table shift_table begins Offline;

    Offline {
        moves {
            GoOnline => Available,
        }
        rests "nobody counts on this rider"
        exits {
            rider "online" => GoOnline,
        }
    }
    Available {
        moves {
            Pause => Paused,
            GoOffline => Offline,
        }
        waits {
            kind::SILENT: unseen 5 min => alarm "the rider has not been heard of for five minutes",
            kind::OFF_DUTY: unseen 30 min => GoOffline,
        }
        exits {
            rider "pause" => Pause,
            rider "offline" => GoOffline,
            ops "off-duty" => GoOffline,
        }
    }
    Paused {
        moves {
            GoOnline => Available,
            GoOffline => Offline,
        }
        waits {
            kind::SILENT: unseen 5 min => alarm "the rider has not been heard of for five minutes",
            kind::OFF_DUTY: unseen 30 min => GoOffline,
        }
        exits {
            rider "online" => GoOnline,
            rider "offline" => GoOffline,
            ops "off-duty" => GoOffline,
        }
    }
}
