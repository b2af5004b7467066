/// Download (TR-069 A.3.2.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Download {
    /// CommandKey, at most 32 characters, unlike that of any open transfer of the device (CWMP-330).
    pub command_key: String,
    /// FileType (CWMP-331).
    pub file_type: String,
    /// URL, at most 256 characters, without user information (CWMP-332).
    pub url: String,
    /// Username; may be empty.
    pub username: String,
    /// Password; may be empty.
    pub password: String,
    /// FileSize in bytes, 0: unknown (CWMP-333).
    pub file_size: u32,
    /// TargetFileName; may be empty.
    pub target_file_name: String,
    /// DelaySeconds.
    pub delay_seconds: u32,
    /// SuccessURL (CWMP-334).
    pub success_url: String,
    /// FailureURL (CWMP-334).
    pub failure_url: String,
}

/// DownloadResponse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DownloadResponse {
    /// Status: 0 done, 1 accepted and TransferComplete follows (CWMP-335, CWMP-336).
    pub status: u32,
    /// StartTime, as sent.
    pub start_time: String,
    /// CompleteTime, as sent.
    pub complete_time: String,
}
