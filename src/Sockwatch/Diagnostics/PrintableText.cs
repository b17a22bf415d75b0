using System.Globalization;
using System.Text;

namespace Sockwatch.Diagnostics;

/// <summary>
/// Makes text that others chose safe to print on one line: file names, cgroups and configuration values can hold line
/// breaks, terminal escapes and characters that reverse the writing direction.
/// </summary>
internal static class PrintableText
{
    /// <summary>Replaces what is not printable by U+FFFD and cuts the end of what is too long.</summary>
    public static string Of(string text, int maxLength = 512)
    {
        if (text.Length <= maxLength && IsPrintable(text))
        {
            return text;
        }

        var printable = new StringBuilder(Math.Min(text.Length, maxLength) + 1);
        foreach (var rune in text.EnumerateRunes())
        {
            if (printable.Length >= maxLength)
            {
                printable.Append('…');
                break;
            }

            printable.Append(IsPrintable(rune) ? rune.ToString() : "\uFFFD");
        }

        return printable.ToString();
    }

    /// <summary>The messages of an exception and its causes, on one line.</summary>
    public static string Of(Exception failure)
    {
        var message = failure is AggregateException { InnerExceptions.Count: 1 } ? failure.InnerException!.Message : failure.Message;
        return Of(string.Join(' ', message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)), 1000);
    }

    /// <summary>
    /// A word of a line of words: a space, a backslash or a control character comes out as in /proc/mounts (\040), so
    /// that a file name cannot pose as another field.
    /// </summary>
    public static string Word(string text)
    {
        if (!text.AsSpan().ContainsAny(' ', '\\') && IsPrintable(text))
        {
            return text;
        }

        var word = new StringBuilder(text.Length + 8);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is <= ' ' or '\\' or 0x7f)
            {
                word.Append('\\').Append(Convert.ToString(rune.Value, 8).PadLeft(3, '0'));
            }
            else
            {
                word.Append(IsPrintable(rune) && !Rune.IsWhiteSpace(rune) ? rune.ToString() : "\uFFFD");
            }
        }

        return word.ToString();
    }

    private static bool IsPrintable(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (!IsPrintable(rune))
            {
                return false;
            }
        }

        return true;
    }

    // A lone surrogate enumerates as U+FFFD, which is printable but not what the text holds: it is written as U+FFFD anyway.
    private static bool IsPrintable(Rune rune) => Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or
        UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate);
}
