namespace Sockwatch.Kernel;

/// <summary>
/// How many of a stream's first bytes the programs hand over. Where all is 0 they are not loaded, and nothing is paid for them.
/// </summary>
/// <param name="OfClient">Sent by who connected.</param>
/// <param name="OfServer">Sent by who accepted.</param>
/// <param name="Received">By either.</param>
/// <param name="Unlisted">The same at most, of who is not on the list.</param>
/// <param name="Ports">Serving ports that are on the list; none for all.</param>
internal sealed record PayloadReach(int OfClient, int OfServer, int Received, int Unlisted, IReadOnlyList<int> Ports)
{
    public static readonly PayloadReach None = new(0, 0, 0, 0, []);

    /// <summary>So that the doctor tries everything.</summary>
    public static readonly PayloadReach All = new(1, 1, 1, 1, []);

    public bool Sees(HookPurpose purpose) => purpose switch
    {
        HookPurpose.SentPayload => OfClient > 0 || OfServer > 0,
        HookPurpose.ReceivedPayload => Received > 0,
        _ => true,
    };
}
