/// Names in one GetParameterValues as long as the model is not known to take less (CWMP-233).
pub const VALUES_PER_REQUEST: usize = 100;
/// Reads in one segment.
pub const SEGMENT_READS_MAX: usize = 16;
/// Reads of one task in one session before other tasks have their turn.
pub const TASK_READS_PER_SESSION: u32 = 64;
/// Names one task may read; what a device has beyond is left out.
pub const NAMES_PER_TASK_MAX: usize = 50_000;
/// Names kept in a plan until their values come; more are written without.
pub const NAMES_HELD_MAX: usize = 5_000;
/// Faults that one reading task may meet in a session before it stops looking for the names that cause them.
pub const FAULTS_PER_TASK_MAX: u32 = 64;
/// Objects remembered per model as not to be asked for whole.
pub const FRAGILE_OBJECTS_MAX: usize = 64;
/// Characters of a URL in Download (CWMP-332).
pub(crate) const URL_CHARS_MAX: usize = 256;
