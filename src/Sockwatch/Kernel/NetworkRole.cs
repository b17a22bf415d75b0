namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>enum network_role</c>.</summary>
internal enum NetworkRole : byte
{
    Unknown = 0,

    /// <summary>It connected or sent first.</summary>
    Client = 1,

    /// <summary>It accepted, or was bound and sent to first.</summary>
    Server = 2,
}
