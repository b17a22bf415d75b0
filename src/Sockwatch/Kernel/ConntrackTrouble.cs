using System.ComponentModel;

namespace Sockwatch.Kernel;

/// <summary>Why connection tracking cannot be asked, and what helps.</summary>
internal static class ConntrackTrouble
{
    private const int NotPermitted = 1;

    public static string Reason(int error) => error == NotPermitted
        ? "asking conntrack takes CAP_NET_ADMIN"
        : $"conntrack does not answer ({new Win32Exception(error).Message})";

    public static string Fix(int error) => error == NotPermitted
        ? "run as root, or grant CAP_NET_ADMIN"
        : "load nf_conntrack_netlink (CONFIG_NF_CT_NETLINK), or switch kubernetes.serviceBackends off";
}
