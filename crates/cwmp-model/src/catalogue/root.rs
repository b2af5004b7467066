use std::fmt;

use crate::ParameterPath;

/// The roots that a device can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// `InternetGatewayDevice.`, TR-098.
    InternetGatewayDevice,
    /// `Device.`, TR-181; also the older issue 1, which has no catalogue of its own.
    Device,
}

impl Root {
    /// Both.
    pub const ALL: [Self; 2] = [Self::InternetGatewayDevice, Self::Device];

    /// The root object with its dot.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InternetGatewayDevice => "InternetGatewayDevice.",
            Self::Device => "Device.",
        }
    }

    /// The root that `path` is or lies below.
    pub fn of_path(path: &ParameterPath) -> Option<Self> {
        Self::of_text(path.as_str())
    }

    /// The root of the first name of an Inform that tells it (CWMP-371).
    pub fn from_inform<'a>(names: impl IntoIterator<Item = &'a ParameterPath>) -> Option<Self> {
        names.into_iter().find_map(Self::of_path)
    }

    fn of_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|root| text.starts_with(root.as_str()))
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of the two models named `Device.` a device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceIssue {
    /// Issue 1 (TR-106, TR-181 issue 1): tells itself by DeviceSummary.
    One,
    /// Issue 2: tells itself by RootDataModelVersion.
    Two,
}

impl DeviceIssue {
    /// From the parameter names of an Inform (CWMP-371); `None` where neither name is there.
    pub fn from_inform<'a>(names: impl IntoIterator<Item = &'a ParameterPath>) -> Option<Self> {
        names.into_iter().find_map(|name| match name.as_str() {
            "Device.DeviceSummary" => Some(Self::One),
            "Device.RootDataModelVersion" => Some(Self::Two),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ParameterPath {
        ParameterPath::new(text).unwrap()
    }

    #[test]
    fn the_root_shows_in_the_inform_cwmp_371() {
        let names = ["X.Y", "Device.DeviceInfo.SoftwareVersion", "Device.RootDataModelVersion"].map(path);
        assert_eq!(Root::from_inform(&names), Some(Root::Device));
        assert_eq!(DeviceIssue::from_inform(&names), Some(DeviceIssue::Two));
        assert_eq!(DeviceIssue::from_inform(&[path("Device.DeviceSummary")]), Some(DeviceIssue::One));
        let names = [path("InternetGatewayDevice.DeviceSummary")];
        assert_eq!(Root::from_inform(&names), Some(Root::InternetGatewayDevice));
        assert_eq!(DeviceIssue::from_inform(&names), None);
        assert_eq!(Root::of_path(&path("Device")), None);
    }
}
