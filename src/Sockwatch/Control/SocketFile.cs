using System.Runtime.InteropServices;
using System.Text;
using Sockwatch.Kernel;

namespace Sockwatch.Control;

/// <summary>Whether a file is a socket, which .NET does not tell.</summary>
internal static class SocketFile
{
    private const int AtFdcwd = -100;
    private const int AtSymlinkNofollow = 0x100;
    private const uint StatxType = 1;
    private const int TypeMask = 0xF000;
    private const int TypeSocket = 0xC000;

    /// <summary>Null when nothing is there. A symbolic link is not followed: it is no socket.</summary>
    public static bool? Is(string path)
    {
        if (LibC.statx(AtFdcwd, Encoding.UTF8.GetBytes(path + '\0')[0], AtSymlinkNofollow, StatxType, out var status) == 0)
        {
            return (status.Mode & TypeMask) == TypeSocket;
        }

        return Marshal.GetLastPInvokeError() is LibC.Enoent or LibC.Enotdir ? null : false;
    }
}
