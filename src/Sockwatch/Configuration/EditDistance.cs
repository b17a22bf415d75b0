namespace Sockwatch.Configuration;

/// <summary>How many typing mistakes lie between two words: letters added, missing, wrong or swapped. Ignores case.</summary>
internal static class EditDistance
{
    // A word longer than any name we know is only measured at its start.
    private const int MaxLength = 64;

    public static int Between(string left, string right)
    {
        var a = left[..Math.Min(left.Length, MaxLength)].ToUpperInvariant();
        var b = right[..Math.Min(right.Length, MaxLength)].ToUpperInvariant();
        var distances = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            distances[i, 0] = i;
        }

        for (var j = 0; j <= b.Length; j++)
        {
            distances[0, j] = j;
        }

        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var changed = distances[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                distances[i, j] = Math.Min(changed, 1 + Math.Min(distances[i - 1, j], distances[i, j - 1]));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    distances[i, j] = Math.Min(distances[i, j], distances[i - 2, j - 2] + 1);
                }
            }
        }

        return distances[a.Length, b.Length];
    }

    /// <summary>The word that was probably meant; null when none is near.</summary>
    public static string? Nearest(string word, IEnumerable<string> known)
    {
        var nearest = known.MinBy(candidate => Between(word, candidate));
        return nearest is not null && Between(word, nearest) <= Math.Max(2, word.Length / 3) ? nearest : null;
    }
}
