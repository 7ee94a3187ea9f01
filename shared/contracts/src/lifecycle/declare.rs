//! The macro that declares a table.

/// Declares the table of one state machine, and implements `Lifecycle` and `LifecycleTable` by it. The calling crate
/// depends on `rust-fsm`, which makes the transition function. Paths of the types are absolute.
///
/// ```text
/// lifecycle! {
///     /// The lifecycle of a parcel.
///     pub struct ParcelLifecycle is "parcel";
///     states crate::parcel::ParcelState;
///     triggers crate::parcel::Trigger;
///     table parcel_table begins Waiting;
///
///     Waiting {
///         moves { Take => OnTheRoad, GiveUp => Lost }
///         waits {
///             kind::PICKUP: at "`ready_at` + 10 min" => alarm "nobody has fetched it",   // a timer, then an alarm
///             kind::GIVE_UP: after 2 h => GiveUp,                                        // a timer, then a move
///             kind::ORDER: elsewhere "with its order" => GiveUp,                         // no timer here
///         }
///         exits {
///             rider "take" => Take,
///             ops "settle" => GiveUp | Take Deliver,                                     // the outcome is chosen
///         }
///     }
///     OnTheRoad {
///         moves { Deliver => Delivered }
///         waits { kind::SILENT: unseen 5 min => alarm "its rider is silent" }            // found by a sweeper
///         exits { rider "deliver" => Deliver }
///     }
///     Parked {
///         moves { Take => OnTheRoad, GiveUp => Lost }
///         rests "its order is on hold"                                                   // an open state without a deadline
///         led "the order is cancelled, or goes on"                                       // people end it elsewhere
///     }
///     // Delivered and Lost have no row: they are final.
/// }
/// ```
#[macro_export]
macro_rules! lifecycle {
    (@seconds s) => { 1 };
    (@seconds min) => { 60 };
    (@seconds h) => { 3_600 };
    (@clock after $n:literal $unit:ident) => {
        $crate::lifecycle::Clock::Entered(::std::time::Duration::from_secs($n * $crate::lifecycle!(@seconds $unit)))
    };
    (@clock unseen $n:literal $unit:ident) => {
        $crate::lifecycle::Clock::Unseen(::std::time::Duration::from_secs($n * $crate::lifecycle!(@seconds $unit)))
    };
    (@clock at $rule:literal) => { $crate::lifecycle::Clock::Planned($rule) };
    (@clock elsewhere $rule:literal) => { $crate::lifecycle::Clock::Elsewhere($rule) };
    (@then $triggers:ident alarm $words:literal) => { $crate::lifecycle::Then::Alarm($words) };
    (@then $triggers:ident watch $words:literal) => { $crate::lifecycle::Then::Watch($words) };
    (@then $triggers:ident $trigger:ident) => { $crate::lifecycle::Then::Move($triggers::$trigger) };
    (@maybe) => { None };
    (@maybe $words:literal) => { Some($words) };
    (@who customer) => { $crate::Role::Customer };
    (@who shop) => { $crate::Role::Merchant };
    (@who rider) => { $crate::Role::Rider };
    (@who ops) => { $crate::Role::Ops };
    (
        $(#[$meta:meta])*
        pub struct $name:ident is $noun:literal;
        states $state:path;
        triggers $trigger:path;
        table $table:ident begins $first:ident;
        $(
            $from:ident {
                moves { $($on:ident => $to:ident),+ $(,)? }
                $(rests $why:literal)?
                $(led $leader:literal)?
                $(waits {
                    $($kind:path: $clock:ident $amount:literal $($unit:ident)? => $then:ident $($words:literal)?),+ $(,)?
                })?
                $(exits { $($who:ident $action:literal => $($($step:ident)+)|+),+ $(,)? })?
            }
        )+
    ) => {
        mod $table {
            pub type States = $state;
            pub type Triggers = $trigger;
            ::rust_fsm::state_machine! {
                #[state_machine(state(super::States), input(super::Triggers))]
                pub machine($first)
                $($from => { $($on => $to),+ }),+
            }
        }

        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl $crate::Lifecycle for $name {
            type State = $state;
            type Trigger = $trigger;
            const NAME: &'static str = $noun;
            fn states() -> &'static [$state] {
                <$state>::ALL
            }
            fn triggers() -> &'static [$trigger] {
                <$trigger>::ALL
            }
            fn table(from: $state, trigger: $trigger) -> Option<$state> {
                <$table::machine::Impl as ::rust_fsm::StateMachineImpl>::transition(&from, &trigger)
            }
        }

        impl $crate::lifecycle::LifecycleTable for $name {
            const ROWS: &'static [$crate::lifecycle::Row<$state, $trigger>] = {
                type States = $state;
                type Triggers = $trigger;
                &[$($crate::lifecycle::Row {
                    state: States::$from,
                    moves: &[$((Triggers::$on, States::$to)),+],
                    rests: $crate::lifecycle!(@maybe $($why)?),
                    led: $crate::lifecycle!(@maybe $($leader)?),
                    waits: &[$($($crate::lifecycle::Wait {
                        kind: $kind,
                        clock: $crate::lifecycle!(@clock $clock $amount $($unit)?),
                        then: $crate::lifecycle!(@then Triggers $then $($words)?),
                    }),+)?],
                    exits: &[$($($crate::lifecycle::Exit {
                        who: $crate::lifecycle!(@who $who),
                        action: $action,
                        paths: &[$(&[$(Triggers::$step),+]),+],
                    }),+)?],
                }),+]
            };
        }
    };
}
