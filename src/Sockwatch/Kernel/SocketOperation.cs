namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>enum socket_operation</c>.</summary>
internal enum SocketOperation : byte
{
    Connect = 0,
    Accept = 1,
    Send = 2,
    Recv = 3,
    Release = 4,
}

internal static class SocketOperationNames
{
    /// <summary>The value of the <c>socket.operation</c> attribute.</summary>
    public static string Name(this SocketOperation operation) => operation switch
    {
        SocketOperation.Connect => "connect",
        SocketOperation.Accept => "accept",
        SocketOperation.Send => "send",
        SocketOperation.Recv => "recv",
        SocketOperation.Release => "release",
        _ => "",
    };
}
