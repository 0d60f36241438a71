//! Ids of execution environments: pure arithmetic.

/// Environments one instance can have ids for at once.
pub const IDS_PER_SLOT: u32 = 1_024;

/// Above systemd's container ids (which end at 1,878,982,656) and the usual `/etc/subuid` ranges,
/// below systemd's foreign ids (from 2,147,352,576): 65,536 slots of 1,024 end at 1,967,108,863.
const WIDE_FIRST: u32 = 1_900_000_000;
const WIDE_COUNT: u32 = IDS_PER_SLOT << 16;
/// "Unused" between systemd's `userdb` ids and its dynamic users. For containers whose user namespace
/// maps 65,536 ids only.
const NARROW_FIRST: u32 = 60_706;
const NARROW_COUNT: u32 = 478;
/// Where the next slot starts in the narrow range: a prime, so that few slots with few environments
/// do not meet.
const NARROW_STRIDE: u32 = 61;

/// The range this machine's user namespace allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdRange {
    /// Every slot has 1,024 ids of its own.
    Wide,
    /// 478 ids for all slots. Two instances with many environments may share some; pid namespaces
    /// still keep those apart.
    Narrow,
}

impl IdRange {
    /// Chooses by the text of `/proc/self/uid_map`; `None` if neither range is mapped, as in a
    /// rootless user namespace: the environment then runs as the caller.
    pub fn of_uid_map(uid_map: &str) -> Option<Self> {
        let holds = |first: u32, count: u32| {
            uid_map.lines().any(|line| {
                let mut numbers = line.split_whitespace().map(str::parse::<u64>);
                let (Some(Ok(inside)), Some(Ok(_)), Some(Ok(length))) =
                    (numbers.next(), numbers.next(), numbers.next())
                else {
                    return false;
                };
                inside <= u64::from(first)
                    && u64::from(first) + u64::from(count) <= inside.saturating_add(length)
            })
        };
        if holds(WIDE_FIRST, WIDE_COUNT) {
            Some(Self::Wide)
        } else if holds(NARROW_FIRST, NARROW_COUNT) {
            Some(Self::Narrow)
        } else {
            None
        }
    }

    /// How many environments one instance can tell apart.
    pub fn environments(self) -> u32 {
        match self {
            Self::Wide => IDS_PER_SLOT,
            Self::Narrow => NARROW_COUNT,
        }
    }

    /// The user and group id of environment `n` of the instance with lease slot `slot`. `n` is an index
    /// that is used again after its environment is gone; `None` if it is not below
    /// [`IdRange::environments`].
    pub fn environment_uid(self, slot: u16, n: u32) -> Option<u32> {
        let slot = u32::from(slot);
        match self {
            Self::Wide => (n < IDS_PER_SLOT).then(|| WIDE_FIRST + slot * IDS_PER_SLOT + n),
            Self::Narrow => {
                (n < NARROW_COUNT).then(|| NARROW_FIRST + (slot * NARROW_STRIDE + n) % NARROW_COUNT)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_initial_namespace_has_the_wide_range() {
        let map = "         0          0 4294967295\n";
        assert_eq!(IdRange::of_uid_map(map), Some(IdRange::Wide));
    }

    #[test]
    fn a_container_of_65536_ids_has_the_narrow_range() {
        let map = "         0     100000      65536\n";
        assert_eq!(IdRange::of_uid_map(map), Some(IdRange::Narrow));
    }

    #[test]
    fn a_rootless_namespace_and_nonsense_have_none() {
        for map in ["0 1000 1\n", "", "x y z\n", "0 0\n", "1900000000 0 10\n"] {
            assert_eq!(IdRange::of_uid_map(map), None, "{map:?}");
        }
    }

    #[test]
    fn no_two_slots_share_a_wide_id_and_none_leaves_the_range() {
        let wide = IdRange::Wide;
        assert_eq!(wide.environment_uid(0, 0), Some(1_900_000_000));
        assert_eq!(wide.environment_uid(0, 1_023), Some(1_900_001_023));
        assert_eq!(wide.environment_uid(1, 0), Some(1_900_001_024));
        assert_eq!(wide.environment_uid(u16::MAX, 1_023), Some(1_967_108_863));
        assert_eq!(wide.environment_uid(0, 1_024), None);
    }

    #[test]
    fn narrow_ids_are_all_different_within_a_slot_and_inside_the_range() {
        for slot in [0, 1, 7, u16::MAX] {
            let ids: HashSet<u32> =
                (0..478).map(|n| IdRange::Narrow.environment_uid(slot, n).unwrap()).collect();
            assert_eq!(ids.len(), 478);
            assert!(ids.iter().all(|id| (60_706..=61_183).contains(id)));
        }
        assert_eq!(IdRange::Narrow.environment_uid(0, 478), None);
        assert_ne!(IdRange::Narrow.environment_uid(0, 0), IdRange::Narrow.environment_uid(1, 0));
    }
}
