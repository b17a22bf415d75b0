namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>enum flow_attribution</c>: how well we know who owns a socket.</summary>
internal enum FlowAttribution : byte
{
    None = 0,

    /// <summary>The owner was the running task when the socket connected, accepted or first spoke.</summary>
    Exact = 1,

    /// <summary>Only the listener is known: nobody has used the accepted socket yet.</summary>
    Cgroup = 2,

    /// <summary>The socket was there before the hooks.</summary>
    Adopted = 3,
}

internal static class FlowAttributions
{
    /// <summary>The value of <c>flow.attribution</c>, and of the <c>quality</c> label.</summary>
    public static string Name(this FlowAttribution attribution) => attribution switch
    {
        FlowAttribution.Exact => "exact",
        FlowAttribution.Cgroup => "cgroup",
        FlowAttribution.Adopted => "adopted",
        _ => "none",
    };
}
