//! What may pods use of a node? Allocatable cpu, memory and pods, by EC2 instance type.
//!
//! The kubelet keeps some of the machine for itself; the rules are those of the EKS images. They give the published
//! figures of the instance types to the MiB.
//!
//! Source: awslabs/amazon-eks-ami `nodeadm/internal/kubelet`; aws/karpenter-provider-aws for the memory that a virtual
//! machine does not see; aws/amazon-vpc-cni-k8s `pkg/vpc/vpc_ip_resource_limit.go` for interfaces and addresses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What pods may use of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocatable {
    /// Cpu in millicores.
    pub cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Number of pods.
    pub pods: u32,
}

impl Allocatable {
    /// Room for everything: more than any pods can ask for, and few enough bits that scores can be computed.
    pub const UNLIMITED: Self = Self {
        cpu: 1 << 40,
        memory: 1 << 50,
        pods: u32::MAX,
    };
}

/// What EC2 sells, as far as placement and traffic are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceType {
    /// Its name, such as `m6i.large`.
    pub name: &'static str,
    /// Virtual cpus.
    pub vcpus: u32,
    /// Nominal memory in GiB.
    pub memory_gib: u32,
    /// Network interfaces that can be attached.
    pub interfaces: u32,
    /// IPv4 addresses on each of them.
    pub addresses_per_interface: u32,
    /// Network bandwidth that it can hold, in Mbit/s.
    pub sustained_mbit_per_s: u32,
    /// Whether it has a Graviton processor, where the machine sees 59 MiB less.
    pub graviton: bool,
}

/// The share of the nominal memory that a virtual machine does not see, as Karpenter estimates it.
pub const VM_MEMORY_OVERHEAD: f64 = 0.075;

/// What Graviton machines see less than others of the same nominal memory, in MiB.
const GRAVITON_MIB: i64 = 59;
/// The kubelet's hard eviction threshold for memory, in MiB.
const EVICTION_MIB: i64 = 100;

impl InstanceType {
    /// The type of this name, if the table has it.
    pub fn named(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|known| known.name == name)
    }

    /// All types of the table.
    pub fn all() -> &'static [Self] {
        &TABLE
    }

    /// How many pods the kubelet accepts unless told otherwise: one per secondary address, and two of the host network.
    /// It applies on an overlay too, where pods take no addresses of the VPC.
    pub fn max_pods(&self) -> u32 {
        self.interfaces * (self.addresses_per_interface - 1) + 2
    }

    /// What pods may use, with the default number of pods.
    pub fn allocatable(&self) -> Allocatable {
        self.allocatable_for(self.max_pods())
    }

    /// What pods may use when the kubelet accepts that many of them.
    pub fn allocatable_for(&self, max_pods: u32) -> Allocatable {
        let unseen = if self.graviton { GRAVITON_MIB } else { 0 };
        let nominal = i64::from(self.memory_gib) << 10;
        allocatable(
            self.vcpus,
            seen_mib(nominal, VM_MEMORY_OVERHEAD) - unseen,
            max_pods,
        )
    }
}

/// The name of an instance type that the table has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TypeName(&'static InstanceType);

/// No instance type has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no instance type is called {found:?} in the table, which has {}; for another one give `cpu`, `memory` and `max_pods`",
    known()
)]
pub struct UnknownType {
    /// The name as written.
    pub found: String,
}

fn known() -> String {
    TABLE
        .iter()
        .map(|known| known.name)
        .collect::<Vec<_>>()
        .join(", ")
}

impl TypeName {
    /// The type of this name.
    pub fn instance_type(&self) -> &'static InstanceType {
        self.0
    }
}

impl TryFrom<String> for TypeName {
    type Error = UnknownType;

    fn try_from(found: String) -> Result<Self, UnknownType> {
        InstanceType::named(&found)
            .map(Self)
            .ok_or(UnknownType { found })
    }
}

impl From<TypeName> for String {
    fn from(name: TypeName) -> Self {
        name.0.name.to_owned()
    }
}

/// The memory that a machine of this nominal size sees, in MiB.
pub fn seen_mib(nominal_mib: i64, vm_memory_overhead: f64) -> i64 {
    nominal_mib - (nominal_mib as f64 * vm_memory_overhead).ceil() as i64
}

/// What is left of a machine beside what the kubelet keeps for itself.
pub fn allocatable(vcpus: u32, seen_mib: i64, max_pods: u32) -> Allocatable {
    let memory = seen_mib - reserved_mib(max_pods) - EVICTION_MIB;
    let cpu = i64::from(vcpus) * 1000 - reserved_millis(vcpus);
    Allocatable {
        cpu: cpu.max(0),
        memory: memory.max(0) << 20,
        pods: max_pods,
    }
}

/// Memory kept for the system and the kubelet, by the number of pods.
fn reserved_mib(max_pods: u32) -> i64 {
    255 + 11 * i64::from(max_pods)
}

/// Cpu kept: 6 % of the first core, 1 % of the second, half a per cent of the next two, a quarter of the rest.
fn reserved_millis(vcpus: u32) -> i64 {
    let tenths: i64 = (0..vcpus)
        .map(|core| [600, 100, 50, 50].get(core as usize).copied().unwrap_or(25))
        .sum();
    tenths / 10
}

/// name, vCPU, GiB, interfaces, addresses per interface, sustained Mbit/s; Graviton types by the flag.
macro_rules! table {
    ($($name:literal $vcpus:literal $gib:literal $interfaces:literal $addresses:literal $mbit:literal $graviton:literal;)*) => {
        [$(InstanceType {
            name: $name,
            vcpus: $vcpus,
            memory_gib: $gib,
            interfaces: $interfaces,
            addresses_per_interface: $addresses,
            sustained_mbit_per_s: $mbit,
            graviton: $graviton,
        }),*]
    };
}

static TABLE: [InstanceType; 37] = table![
    "t3.small"    2   2  3  4   128 false;
    "t3.medium"   2   4  3  6   256 false;
    "t3.large"    2   8  3 12   512 false;
    "t3.xlarge"   4  16  4 15  1024 false;
    "c5.large"    2   4  3 10   750 false;
    "m5.large"    2   8  3 10   750 false;
    "r5.large"    2  16  3 10   750 false;
    "c6i.large"   2   4  3 10   781 false;
    "m6i.large"   2   8  3 10   781 false;
    "r6i.large"   2  16  3 10   781 false;
    "c7i.large"   2   4  3 10   781 false;
    "m6a.large"   2   8  3 10   781 false;
    "m7i.large"   2   8  3 10   781 false;
    "m7a.large"   2   8  3 10   781 false;
    "c7g.large"   2   4  3 10   937 true;
    "m7g.large"   2   8  3 10   937 true;
    "m8g.large"   2   8  3 10   937 true;
    "r8g.large"   2  16  3 10   937 true;
    "c8i.large"   2   4  3 20   937 false;
    "m8i.large"   2   8  3 20   937 false;
    "c5.xlarge"   4   8  4 15  1250 false;
    "m5.xlarge"   4  16  4 15  1250 false;
    "r5.xlarge"   4  32  4 15  1250 false;
    "c6i.xlarge"  4   8  4 15  1562 false;
    "m6i.xlarge"  4  16  4 15  1562 false;
    "m7i.xlarge"  4  16  4 15  1562 false;
    "m8i.xlarge"  4  16  4 30  1875 false;
    "m5.2xlarge"  8  32  4 15  2500 false;
    "m6i.2xlarge" 8  32  4 15  3125 false;
    "m7i.2xlarge" 8  32  4 15  3125 false;
    "m5.4xlarge" 16  64  8 30  5000 false;
    "m6i.4xlarge" 16  64  8 30  6250 false;
    "m7i.4xlarge" 16  64  8 30  6250 false;
    "m5.8xlarge" 32 128  8 30 10000 false;
    "m6i.8xlarge" 32 128  8 30 12500 false;
    "m7i.8xlarge" 32 128  8 30 12500 false;
    "m5.16xlarge" 64 256 15 50 20000 false;
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Allocatable millicores and MiB, and pods, as published.
    const PUBLISHED: [(&str, i64, i64, u32); 17] = [
        ("t3.small", 1930, 1418, 11),
        ("t3.medium", 1930, 3246, 17),
        ("t3.large", 1930, 6837, 35),
        ("c5.large", 1930, 3114, 29),
        ("m6i.large", 1930, 6903, 29),
        ("r5.large", 1930, 14_481, 29),
        ("c7g.large", 1930, 3055, 29),
        ("m7g.large", 1930, 6844, 29),
        ("r8g.large", 1930, 14_422, 29),
        ("c8i.large", 1930, 2784, 59),
        ("m8i.large", 1930, 6573, 59),
        ("m5.xlarge", 3920, 14_162, 58),
        ("m8i.xlarge", 3920, 13_502, 118),
        ("r5.xlarge", 3920, 29_317, 58),
        ("m5.2xlarge", 7910, 29_317, 58),
        ("m5.8xlarge", 31_850, 118_312, 234),
        ("m5.16xlarge", 63_770, 234_021, 737),
    ];

    #[test]
    fn the_rules_give_the_published_figures() {
        for (name, cpu, mib, pods) in PUBLISHED {
            let found = InstanceType::named(name)
                .expect("in the table")
                .allocatable();
            assert_eq!(
                found,
                Allocatable {
                    cpu,
                    memory: mib << 20,
                    pods
                },
                "{name}"
            );
        }
    }

    #[test]
    fn every_type_is_there_once_and_leaves_room() {
        for one in InstanceType::all() {
            let same = InstanceType::all()
                .iter()
                .filter(|other| other.name == one.name);
            assert_eq!(same.count(), 1, "{}", one.name);
            let Allocatable { cpu, memory, pods } = one.allocatable();
            assert!(cpu > 0 && memory > 0 && pods > 0, "{}", one.name);
        }
        assert!(InstanceType::named("m6i.humongous").is_none());
    }

    #[test]
    fn more_pods_leave_less_memory() {
        // 110 instead of 29 pods: 81 x 11 MiB.
        let [few, many] =
            [29, 110].map(|pods| allocatable(2, seen_mib(8192, VM_MEMORY_OVERHEAD), pods).memory);
        assert_eq!((few - many) >> 20, 891);
    }

    #[test]
    fn a_machine_too_small_for_its_reserve_has_nothing_left() {
        assert_eq!(
            allocatable(0, 100, 10),
            Allocatable {
                cpu: 0,
                memory: 0,
                pods: 10
            }
        );
    }
}
