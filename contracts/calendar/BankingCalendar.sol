// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SystemAddresses} from "../libraries/SystemAddresses.sol";
import {IBankingCalendar} from "./IBankingCalendar.sol";

/// @title The consortium's banking calendar
/// @dev Banking days stand as bits by absolute day (word = day / 256), so no date arithmetic is needed to read them.
contract BankingCalendar is IBankingCalendar {
    uint256 private constant SECONDS_PER_DAY = 86_400;
    uint16 private constant FIRST_YEAR = 1971;
    uint16 private constant LAST_YEAR = 9999;
    /// @dev A longer run without a banking day is an error in the published data, not a holiday.
    uint256 private constant SEARCH_DAYS_MAX = 366;

    struct Place {
        uint32 firstDay;
        uint32 lastDay;
        uint16 nextYear;
        Hours[] segments;
        mapping(uint256 word => uint256 bits) bankingDays;
    }

    bool private _initialized;
    Publication[] private _publications;
    mapping(bytes32 place => Place calendar) private _places;

    /// @inheritdoc IBankingCalendar
    function initialize(Year[] calldata list) external {
        if (msg.sender != SystemAddresses.GENESIS_SENDER) revert CalendarNotGenesis(msg.sender);
        if (_initialized) revert CalendarAlreadyInitialized();
        _initialized = true;
        for (uint256 i = 0; i < list.length; ++i) _publish(list[i]);
    }

    /// @inheritdoc IBankingCalendar
    function version() external view returns (uint256 count) {
        return _publications.length;
    }

    /// @inheritdoc IBankingCalendar
    function publication(uint256 index) external view returns (Publication memory published) {
        return _publications[index];
    }

    /// @inheritdoc IBankingCalendar
    function horizonOf(bytes32 place) external view returns (uint32 firstDay, uint32 lastDay) {
        return (_places[place].firstDay, _places[place].lastDay);
    }

    /// @inheritdoc IBankingCalendar
    function isBankingDay(bytes32 place, uint32 day) external view returns (bool banking, bool provisional) {
        return _isBankingDay(_places[place], day);
    }

    /// @inheritdoc IBankingCalendar
    function hoursOf(bytes32 place, uint32 day) external view returns (uint64 opensAt, uint64 closesAt) {
        return _hoursOf(_places[place], day);
    }

    /// @inheritdoc IBankingCalendar
    function closeOf(bytes32 place, uint32 day) external view returns (uint64 closesAt) {
        (, closesAt) = _hoursOf(_places[place], day);
    }

    /// @inheritdoc IBankingCalendar
    function bankingDayOf(bytes32 place, uint64 timestamp) external view returns (uint32 day, bool provisional) {
        Place storage calendar = _places[place];
        // West of UTC, the civil day before the UTC date may still be open.
        uint32 candidate = uint32(timestamp / SECONDS_PER_DAY) - 1;
        for (uint256 i = 0; i <= SEARCH_DAYS_MAX; ++i) {
            (bool banking, bool unsure) = _isBankingDay(calendar, candidate);
            (, uint64 closesAt) = _hoursOf(calendar, candidate);
            if (closesAt >= timestamp) {
                provisional = provisional || unsure;
                if (banking) return (candidate, provisional);
            }
            ++candidate;
        }
        revert CalendarNoBankingDay(place, candidate);
    }

    /// @inheritdoc IBankingCalendar
    function bankingDayFrom(bytes32 place, uint32 day)
        external
        view
        returns (uint64 closesAt, uint32 bankingDay, bool provisional)
    {
        Place storage calendar = _places[place];
        (bankingDay, provisional) = _bankingDayFrom(calendar, place, day);
        (, closesAt) = _hoursOf(calendar, bankingDay);
    }

    /// @inheritdoc IBankingCalendar
    function addBankingDays(bytes32 place, uint32 day, uint16 n)
        external
        view
        returns (uint64 deadline, uint32 bankingDay, bool provisional)
    {
        Place storage calendar = _places[place];
        bankingDay = day;
        for (uint256 i = 0; i < n; ++i) {
            bool unsure;
            (bankingDay, unsure) = _bankingDayFrom(calendar, place, bankingDay + 1);
            provisional = provisional || unsure;
        }
        (, deadline) = _hoursOf(calendar, bankingDay);
    }

    /// @dev The hook through which the members' vote will publish later years.
    function _publish(Year calldata given) internal {
        Place storage calendar = _places[given.place];
        if (given.place == 0) revert CalendarPlaceMissing(given.year);
        if (given.year < FIRST_YEAR || given.year > LAST_YEAR) revert CalendarYearOutOfRange(given.place, given.year);
        if (calendar.nextYear != 0 && given.year != calendar.nextYear) {
            revert CalendarYearNotNext(given.place, given.year, calendar.nextYear);
        }
        uint32 firstDay = _firstDayOf(given.year);
        uint32 lastDay = _firstDayOf(given.year + 1) - 1;
        _storeBankingDays(calendar, given, firstDay, lastDay);
        _storeHours(calendar, given, firstDay, lastDay);
        if (calendar.nextYear == 0) calendar.firstDay = firstDay;
        calendar.lastDay = lastDay;
        calendar.nextYear = given.year + 1;

        bytes32 digest = keccak256(abi.encode(given));
        _publications.push(Publication(given.place, given.year, uint64(block.timestamp), digest));
        emit YearPublished(given.place, given.year, _publications.length, digest);
    }

    function _storeBankingDays(Place storage calendar, Year calldata given, uint32 firstDay, uint32 lastDay) private {
        uint256 highest = lastDay - firstDay - 256;
        if (given.bankingDays[1] >> (highest + 1) != 0) {
            revert CalendarBitBeyondYear(given.place, given.year, given.bankingDays[1]);
        }
        uint256 word = firstDay / 256;
        uint256 shift = firstDay % 256;
        calendar.bankingDays[word] |= given.bankingDays[0] << shift;
        calendar.bankingDays[word + 1] |= (given.bankingDays[1] << shift) | _carried(given.bankingDays[0], shift);
        calendar.bankingDays[word + 2] |= _carried(given.bankingDays[1], shift);
    }

    /// @dev The bits that leave a word when it is shifted up.
    function _carried(uint256 bits, uint256 shift) private pure returns (uint256) {
        return shift == 0 ? 0 : bits >> (256 - shift);
    }

    function _storeHours(Place storage calendar, Year calldata given, uint32 firstDay, uint32 lastDay) private {
        uint256 count = given.segments.length;
        if (count == 0) revert CalendarHoursInvalid(given.place, given.year, 0);
        uint32 expected = firstDay;
        for (uint256 i = 0; i < count; ++i) {
            Hours calldata segment = given.segments[i];
            bool ordered = i == 0 ? segment.firstDay == expected : segment.firstDay >= expected;
            if (!ordered || segment.firstDay > lastDay || segment.opens >= segment.closes) {
                revert CalendarHoursInvalid(given.place, given.year, i);
            }
            expected = segment.firstDay + 1;
            calendar.segments.push(segment);
        }
    }

    function _bankingDayFrom(Place storage calendar, bytes32 place, uint32 day)
        private
        view
        returns (uint32 bankingDay, bool provisional)
    {
        bankingDay = day;
        for (uint256 i = 0; i <= SEARCH_DAYS_MAX; ++i) {
            (bool banking, bool unsure) = _isBankingDay(calendar, bankingDay);
            provisional = provisional || unsure;
            if (banking) return (bankingDay, provisional);
            ++bankingDay;
        }
        revert CalendarNoBankingDay(place, bankingDay);
    }

    function _isBankingDay(Place storage calendar, uint32 day) private view returns (bool banking, bool provisional) {
        if (calendar.nextYear == 0 || day < calendar.firstDay || day > calendar.lastDay) {
            // 1 January 1970 was a Thursday: 0 = Monday here.
            return ((uint256(day) + 3) % 7 < 5, true);
        }
        return ((calendar.bankingDays[day / 256] >> (day % 256)) & 1 == 1, false);
    }

    function _hoursOf(Place storage calendar, uint32 day) private view returns (uint64 opensAt, uint64 closesAt) {
        int256 midnight = int256(uint256(day) * SECONDS_PER_DAY);
        if (calendar.nextYear == 0 || day < calendar.firstDay || day > calendar.lastDay) {
            return (uint64(uint256(midnight)), uint64(uint256(midnight) + SECONDS_PER_DAY));
        }
        Hours storage segment = _segmentOf(calendar.segments, day);
        return (uint64(uint256(midnight + segment.opens)), uint64(uint256(midnight + segment.closes)));
    }

    /// @dev The last segment that begins on or before the day; there is one inside the horizon.
    function _segmentOf(Hours[] storage segments, uint32 day) private view returns (Hours storage) {
        uint256 low = 0;
        uint256 high = segments.length - 1;
        while (low < high) {
            uint256 middle = (low + high + 1) / 2;
            if (segments[middle].firstDay <= day) low = middle;
            else high = middle - 1;
        }
        return segments[low];
    }

    /// @dev Days from 1970-01-01 to 1 January of a year.
    function _firstDayOf(uint16 year) private pure returns (uint32) {
        uint256 before = uint256(year) - 1;
        return uint32(before * 365 + before / 4 - before / 100 + before / 400 - 719_162);
    }
}
