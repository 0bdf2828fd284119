//! Random choices of a test, by a seed that is printed: PACELINE_SEED repeats a run.

use std::time::Duration;

/// How often a test kills: so often, or as often as `PACELINE_SOAK` asks for.
pub fn kills(few: u64) -> u64 {
    let soak = paceline::environment::variable("PACELINE_SOAK");
    soak.map_or(few, |text| text.parse().unwrap_or_else(|_| panic!("PACELINE_SOAK must be a number, it is {text}")))
}

/// Whether a test that has killed so often kills once more: as often as [`kills`] says, and then, up to a limit, until it
/// has `seen` what only a late kill shows. A busy machine may be slow to get there.
pub fn goes_on(killed: u64, few: u64, seen: bool) -> bool {
    let wanted = kills(few);
    killed < wanted || (!seen && killed < wanted + 20 * few)
}

/// Numbers drawn from a seed (splitmix64).
#[derive(Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice of this seed.
    pub fn of(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Dice of `PACELINE_SEED`, or of a fresh seed; prints it either way.
    #[allow(clippy::print_stderr, reason = "a failure must be repeatable from the output of the test")]
    pub fn printed(test: &str) -> Self {
        let given = paceline::environment::variable("PACELINE_SEED").and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(paceline::random::bits);
        eprintln!("{test}: PACELINE_SEED={seed}");
        Self::of(seed)
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// How long a run lives before it is killed: a third within 10 ms, a third while it begins, a third while it works.
    pub fn life(&mut self) -> Duration {
        Duration::from_micros(match self.below(3) {
            0 => self.below(10_000),
            1 => self.below(300_000),
            _ => self.below(1_600_000),
        })
    }
}
