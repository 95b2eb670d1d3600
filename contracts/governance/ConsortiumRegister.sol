// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Kind, Member, MemberRecord, ValidatorSet} from "./ConsortiumTypes.sol";
import {GenesisInitializable} from "./GenesisInitializable.sol";
import {IConsortium} from "./IConsortium.sol";

/// @title The consortium's register: its members, who may send and deploy, and the validator set of every height
/// @notice Only genesis and executed votes (Consortium) change it. Nodes read its storage directly, so the layout below is
/// part of the protocol:
///
///     slot 0  epochLength L (uint64, lowest bits), activationDelay D (uint64), bankCount (uint32)
///     slot 1  bytes32[] member ids, in the order of admission
///     slot 2  mapping(bytes32 id => Member); a Member takes six words:
///             +0 name (string), +1 businessAccount (address), kind (uint8), active (bool)
///             +2 validator (address), bic (bytes11), +3 lei (bytes20), +4 place (bytes32), +5 encryptionKey (bytes32)
///     slot 3  mapping(address business account => bytes32 id), of former members too
///     slot 4  mapping(address validator => bytes32 id), of retired keys too
///     slot 5  mapping(address => uint256 roles): bit 0 may send, bit 1 may deploy
///     slot 6  ValidatorSet[]: +0 activationHeight (uint64), +1 address[] validators, ascending
///
/// Packed fields are listed from the lowest bits upwards, as Solidity lays them out.
abstract contract ConsortiumRegister is IConsortium, GenesisInitializable {
    event MemberAdmitted(bytes32 indexed memberId, Kind kind, address businessAccount, address validator);
    event MemberRemoved(bytes32 indexed memberId, address businessAccount);
    /// @notice Zero where there was, or now is, none. The key before is retired for good.
    event ValidatorReplaced(bytes32 indexed memberId, address before, address validator);
    event AccountRegistered(address indexed account, uint256 roles);
    event ValidatorSetScheduled(uint64 indexed activationHeight, address[] validators);

    error EpochLengthZero();
    error ActivationDelayZero();
    error ValidatorSetEmpty();
    error MemberIdTaken(bytes32 memberId);
    error MemberIdZero();
    error NameLength(uint256 length, uint256 limit);
    error AddressTaken(bytes32 memberId, address account);
    error AddressZero(bytes32 memberId);
    /// @notice A former member comes back under the business account by which its deals know it.
    error BusinessAccountDiffers(bytes32 memberId, address before, address given);
    /// @notice Only a bank has a validator.
    error ValidatorMismatch(bytes32 memberId, Kind kind, address validator);
    /// @notice This key was a validator's before: it never comes back (P-18).
    error ValidatorRetired(bytes32 memberId, address validator);
    error NoValidator(bytes32 memberId);
    error UnknownMember(bytes32 memberId);
    error MemberInactive(bytes32 memberId);
    error NotAnActiveBank(bytes32 memberId);
    error RolesUnchanged(address account, uint256 roles);
    error TooManyMembers(uint256 count, uint256 limit);
    error TooManyBanks(uint256 count, uint256 limit);
    error IndexOutOfRange(uint256 index, uint256 length);

    uint256 internal constant ROLE_SENDER = 1;
    uint256 internal constant ROLE_DEPLOYER = 2;

    /// @notice Members ever admitted: the bound of every loop over members.
    uint256 public constant MEMBERS_MAX = 128;
    /// @notice Active banks, and so validators in one set.
    uint256 public constant BANKS_MAX = 32;
    /// @notice Four lines of 35 characters, as SWIFT has them for names.
    uint256 public constant NAME_BYTES_MAX = 140;

    uint64 public epochLength;
    uint64 public activationDelay;
    /// @notice Number of active banks, each with one vote and at most one validator.
    uint32 public bankCount;
    bytes32[] private _memberIds;
    mapping(bytes32 memberId => Member) private _members;
    mapping(address account => bytes32 memberId) private _memberByBusinessAccount;
    mapping(address account => bytes32 memberId) private _memberByValidator;
    mapping(address account => uint256 roles) private _roles;
    ValidatorSet[] private _validatorSets;

    /// @notice Fills the register; called once, by genesis making.
    /// @param epochLength_ L: the validator set is constant within heights eL .. (e+1)L - 1 (P-12, P-13).
    /// @param activationDelay_ D: a change executed in height h enters at the first multiple of L that is >= h + D.
    /// @param members The founding members; every bank with a validator key seals from height 0.
    /// @param developers Further accounts that may send and deploy (P-6).
    function initialize(
        uint64 epochLength_,
        uint64 activationDelay_,
        MemberRecord[] calldata members,
        address[] calldata developers
    ) external onlyGenesis initializer {
        if (epochLength_ == 0) revert EpochLengthZero();
        if (activationDelay_ == 0) revert ActivationDelayZero();
        epochLength = epochLength_;
        activationDelay = activationDelay_;
        for (uint256 i = 0; i < members.length; ++i) _admit(members[i]);
        for (uint256 i = 0; i < developers.length; ++i) {
            _claim(0, developers[i]);
            _register(developers[i], ROLE_SENDER | ROLE_DEPLOYER);
        }
        _schedule(0);
    }

    /// @inheritdoc IConsortium
    function memberOf(address account) external view returns (bytes32 memberId) {
        return _memberByBusinessAccount[account];
    }

    /// @notice The bank whose validator this is; zero if there is none.
    function memberOfValidator(address validator) external view returns (bytes32 memberId) {
        return _memberByValidator[validator];
    }

    /// @inheritdoc IConsortium
    function isBank(bytes32 memberId) external view returns (bool) {
        return _isActiveBank(memberId);
    }

    /// @inheritdoc IConsortium
    function placeOf(bytes32 memberId) external view returns (bytes32 place) {
        return _members[memberId].place;
    }

    /// @inheritdoc IConsortium
    function businessAccountOf(bytes32 memberId) external view returns (address account) {
        return _members[memberId].businessAccount;
    }

    /// @notice Number of members ever admitted, inactive ones included.
    function memberCount() external view returns (uint256) {
        return _memberIds.length;
    }

    /// @notice The id of the index-th member in order of admission.
    function memberIdAt(uint256 index) external view returns (bytes32 memberId) {
        if (index >= _memberIds.length) revert IndexOutOfRange(index, _memberIds.length);
        return _memberIds[index];
    }

    /// @notice All that the register holds of a member.
    function member(bytes32 memberId) external view returns (Member memory) {
        Member storage found = _members[memberId];
        if (found.businessAccount == address(0)) revert UnknownMember(memberId);
        return found;
    }

    /// @inheritdoc IConsortium
    function isRegistered(address account) external view returns (bool) {
        return _roles[account] & ROLE_SENDER != 0;
    }

    /// @inheritdoc IConsortium
    function mayDeploy(address account) external view returns (bool) {
        return _roles[account] & ROLE_DEPLOYER != 0;
    }

    /// @inheritdoc IConsortium
    /// @dev Uses no block values, as P-12 demands: the same question has the same answer at every height of one state.
    function validatorsAt(uint256 height) external view returns (address[] memory validators) {
        return _setAt(height).validators;
    }

    /// @notice The height at which a change of the set, executed in a block of this height, enters (P-12).
    function activationHeightOf(uint256 executedHeight) public view returns (uint256) {
        uint256 length = epochLength;
        uint256 earliest = executedHeight + activationDelay;
        return ((earliest + length - 1) / length) * length;
    }

    /// @notice Number of validator sets in the history, scheduled ones included.
    function validatorSetCount() external view returns (uint256) {
        return _validatorSets.length;
    }

    /// @notice One entry of the history of validator sets.
    function validatorSetAt(uint256 index) external view returns (ValidatorSet memory) {
        if (index >= _validatorSets.length) revert IndexOutOfRange(index, _validatorSets.length);
        return _validatorSets[index];
    }

    /// @inheritdoc IConsortium
    function validatorCount() public view returns (uint256 count) {
        return _setAt(block.number).validators.length;
    }

    /// @inheritdoc IConsortium
    function faultTolerance() public view returns (uint256 f) {
        return (validatorCount() - 1) / 3;
    }

    /// @notice Q = ceil((n + f + 1) / 2), with n validators in force and f = (n - 1) / 3.
    function quorum() external view returns (uint256 q) {
        uint256 n = validatorCount();
        return (n + (n - 1) / 3 + 2) / 2;
    }

    /// @dev A new member, or a former one that returns.
    function _admit(MemberRecord memory record) internal {
        bytes32 id = record.id;
        if (id == 0) revert MemberIdZero();
        _checkName(record.name);
        bool bank = record.kind == Kind.Bank;
        if (!bank && record.validator != address(0)) revert ValidatorMismatch(id, record.kind, record.validator);
        _claimPlace(id, record.businessAccount);
        _register(record.businessAccount, ROLE_SENDER);
        if (bank) {
            if (bankCount >= BANKS_MAX) revert TooManyBanks(bankCount + 1, BANKS_MAX);
            bankCount += 1;
        }
        if (record.validator != address(0)) {
            _claim(id, record.validator);
            _memberByValidator[record.validator] = id;
        }
        _members[id] = Member({
            name: record.name,
            businessAccount: record.businessAccount,
            kind: record.kind,
            active: true,
            validator: record.validator,
            bic: record.bic,
            lei: record.lei,
            place: record.place,
            encryptionKey: record.encryptionKey
        });
        emit MemberAdmitted(id, record.kind, record.businessAccount, record.validator);
    }

    /// @dev Id and business account belong to one member for ever; a former member may take its own again.
    function _claimPlace(bytes32 id, address businessAccount) private {
        address before = _members[id].businessAccount;
        if (before != address(0)) {
            if (_members[id].active) revert MemberIdTaken(id);
            if (before != businessAccount) revert BusinessAccountDiffers(id, before, businessAccount);
            return;
        }
        if (_memberIds.length >= MEMBERS_MAX) revert TooManyMembers(_memberIds.length + 1, MEMBERS_MAX);
        _claim(id, businessAccount);
        _memberByBusinessAccount[businessAccount] = id;
        _memberIds.push(id);
    }

    /// @dev The member may send no more; its validator, if any, seals until the edge.
    function _remove(bytes32 id) internal returns (address validator) {
        Member storage leaving = _activeMember(id);
        leaving.active = false;
        validator = leaving.validator;
        leaving.validator = address(0);
        if (leaving.kind == Kind.Bank) bankCount -= 1;
        _register(leaving.businessAccount, 0);
        if (validator != address(0)) emit ValidatorReplaced(id, validator, address(0));
        emit MemberRemoved(id, leaving.businessAccount);
    }

    function _setValidator(bytes32 id, address validator) internal {
        Member storage bank = _activeMember(id);
        if (bank.kind != Kind.Bank) revert NotAnActiveBank(id);
        address before = bank.validator;
        if (validator == address(0)) {
            if (before == address(0)) revert NoValidator(id);
        } else {
            _claim(id, validator);
            _memberByValidator[validator] = id;
        }
        bank.validator = validator;
        emit ValidatorReplaced(id, before, validator);
    }

    /// @dev A member's business account keeps its right to send; another account loses all of its rights with this one.
    function _setDeployer(address account, bool allowed) internal {
        if (account == address(0)) revert AddressZero(0);
        bytes32 id = _memberByBusinessAccount[account];
        if (id != 0 && !_members[id].active) revert MemberInactive(id);
        if (allowed == (_roles[account] & ROLE_DEPLOYER != 0)) revert RolesUnchanged(account, _roles[account]);
        if (_memberByValidator[account] != 0) revert AddressTaken(id, account);
        uint256 kept = id != 0 ? ROLE_SENDER : 0;
        _register(account, allowed ? ROLE_SENDER | ROLE_DEPLOYER : kept);
    }

    /// @dev The set of all active banks' validators enters at a height, which is an edge not below the last one scheduled.
    function _schedule(uint64 activationHeight) internal {
        address[] memory validators = _activeValidators();
        if (validators.length == 0) revert ValidatorSetEmpty();
        uint256 length = _validatorSets.length;
        if (length != 0 && _validatorSets[length - 1].activationHeight == activationHeight) {
            _validatorSets[length - 1].validators = validators;
        } else {
            _validatorSets.push(ValidatorSet({activationHeight: activationHeight, validators: validators}));
        }
        emit ValidatorSetScheduled(activationHeight, validators);
    }

    /// @dev Nodes read names whole from storage: they are bounded here, for genesis and votes alike.
    function _checkName(string memory name) internal pure {
        uint256 length = bytes(name).length;
        if (length == 0 || length > NAME_BYTES_MAX) revert NameLength(length, NAME_BYTES_MAX);
    }

    function _isActiveBank(bytes32 id) internal view returns (bool) {
        return _members[id].active && _members[id].kind == Kind.Bank;
    }

    function _businessMember(address account) internal view returns (bytes32 memberId) {
        return _memberByBusinessAccount[account];
    }

    function _memberIdList() internal view returns (bytes32[] storage) {
        return _memberIds;
    }

    function _activeMember(bytes32 id) private view returns (Member storage found) {
        found = _members[id];
        if (found.businessAccount == address(0)) revert UnknownMember(id);
        if (!found.active) revert MemberInactive(id);
    }

    /// @dev Keys are never shared between members or between uses, and a validator's never comes back.
    function _claim(bytes32 id, address account) private view {
        if (account == address(0)) revert AddressZero(id);
        bytes32 holder = _memberByValidator[account];
        if (holder != 0 && _members[holder].validator != account) revert ValidatorRetired(holder, account);
        if (holder != 0 || _roles[account] != 0 || _memberByBusinessAccount[account] != 0) revert AddressTaken(id, account);
    }

    function _register(address account, uint256 roles) private {
        _roles[account] = roles;
        emit AccountRegistered(account, roles);
    }

    /// @dev Ascending (P-12); insertion sort over at most BANKS_MAX, found among at most MEMBERS_MAX.
    function _activeValidators() private view returns (address[] memory sorted) {
        address[] memory found = new address[](bankCount);
        uint256 filled = 0;
        for (uint256 i = 0; i < _memberIds.length; ++i) {
            Member storage candidate = _members[_memberIds[i]];
            address validator = candidate.validator;
            if (!candidate.active || validator == address(0)) continue;
            uint256 j = filled++;
            for (; j > 0 && found[j - 1] > validator; --j) found[j] = found[j - 1];
            found[j] = validator;
        }
        sorted = new address[](filled);
        for (uint256 i = 0; i < filled; ++i) sorted[i] = found[i];
    }

    /// @dev The newest set whose activation height is not above the height asked for: binary search, since the history grows
    /// with the years. The first set stands from height 0.
    function _setAt(uint256 height) private view returns (ValidatorSet storage) {
        uint256 low = 0;
        uint256 high = _validatorSets.length;
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            if (_validatorSets[middle].activationHeight <= height) low = middle;
            else high = middle;
        }
        return _validatorSets[low];
    }
}
